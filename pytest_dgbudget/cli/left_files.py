"""Files that killed processes left, beside the ledger and in the temporary folder: those of dead runs are removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Literal

from pytest_dgbudget.control.browser_scripts import dead_script_folders
from pytest_dgbudget.ledger.run_lock import dead_locks, live_runs, remove_dead_lock
from pytest_dgbudget.ledger.spool import dead_spools

# A log is there before its gateway has locked its run.
_STARTING_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftFile:
    """A file or folder that nobody needs any more; ``why`` is what kept it from being removed, or empty.

    ``run`` is None where its name tells of none.
    """

    kind: Literal["recordings", "scripts", "log", "lock"]
    path: Path
    run: str | None = None
    why: str = ""


def sweep_files(state_dir: Path, *, dry_run: bool) -> list[LeftFile]:
    """Remove what dead runs left, and return it; with ``dry_run``, return it alone."""
    found = list(_left(state_dir))
    return found if dry_run else [_removed(each) for each in found]


def _left(state_dir: Path) -> Iterator[LeftFile]:
    yield from (LeftFile(kind="recordings", path=path, run=run) for run, path in dead_spools(state_dir))
    yield from (LeftFile(kind="scripts", path=path) for path in dead_script_folders())
    yield from (LeftFile(kind="log", path=path) for path in _empty_logs(state_dir))
    yield from (LeftFile(kind="lock", path=path, run=run) for run, path in dead_locks(state_dir))


def _empty_logs(state_dir: Path) -> Iterator[Path]:
    live = tuple(f"gateway-{run}-" for run in live_runs(state_dir))
    for log in state_dir.glob("gateway-*.log"):
        status = log.lstat()
        is_old = status.st_mtime < time.time() - _STARTING_SECONDS
        if is_old and not status.st_size and not log.name.startswith(live):
            yield log


def _removed(left: LeftFile) -> LeftFile:
    how: dict[str, Callable[[], object]] = {
        "recordings": lambda: rmtree(left.path),
        "scripts": lambda: rmtree(left.path),
        "log": lambda: left.path.unlink(missing_ok=True),
        "lock": lambda: remove_dead_lock(left.path),
    }
    try:
        how[left.kind]()
    except OSError as error:
        return LeftFile(kind=left.kind, path=left.path, run=left.run, why=str(error))
    return left
