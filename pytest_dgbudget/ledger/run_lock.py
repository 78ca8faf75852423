"""Who serves a run: an flock beside the ledger, which the system drops with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.paths import make_folder

_BEGIN, _END = "run-", ".lock"
# No run id has it.
_OF = "+"
# Who looks whether a run is served holds its lock for a moment.
_TRIES, _PAUSE_SECONDS = 20, 0.005


class RunLock:
    """Held by the one gateway of a run. Raises LedgerError when another one holds it; OSError where none can be."""

    def __init__(self, folder: Path, run: str) -> None:
        make_folder(folder)
        self._path = _lock_file(folder, run)
        self._descriptor = _lock_for_good(self._path)
        if self._descriptor is None:
            raise LedgerError(
                f"run id {run!r} is in use by another pytest on this ledger; choose another --dg-run-id, "
                "or wait for it to end"
            )

    def release(self) -> None:
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def one_of(run: str, invocation: str) -> str:
    """Return what the lock of one of several gateways is called that serve a run together, from one folder."""
    return f"{run}{_OF}{invocation}"


def is_live(folder: Path, run: str) -> bool:
    """Tell whether a gateway serves this run now; one that is gone has lost its lock."""
    return any(map(_is_locked, (_lock_file(folder, run), *folder.glob(f"{_BEGIN}{run}{_OF}*{_END}"))))


def _is_locked(path: Path) -> bool:
    if path.is_symlink():
        return False
    try:
        descriptor = _lock(path, fcntl.LOCK_SH, 0)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def live_runs(folder: Path) -> list[str]:
    """Return the runs that gateways serve now."""
    return [run.partition(_OF)[0] for run, path in _locks(folder) if _is_locked(path)]


def dead_locks(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files that killed gateways left, with the run of each."""
    for name, path in _locks(folder):
        if not is_live(folder, name):
            yield name.partition(_OF)[0], path


def remove_dead_lock(path: Path) -> None:
    """Remove the file of a run that nobody serves; one that is served by now keeps it. Raises OSError."""
    with suppress(LedgerError):
        RunLock(path.parent, _named(path)).release()


def _locks(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.glob(f"{_BEGIN}*{_END}"):
        if not path.is_symlink():
            yield _named(path), path


def _named(path: Path) -> str:
    return path.name[len(_BEGIN) : -len(_END)]


def _lock_file(folder: Path, run: str) -> Path:
    return folder / f"{_BEGIN}{run}{_END}"


def _lock_for_good(path: Path) -> int | None:
    """Lock the file, also where somebody was just looking whether that is possible."""
    for _ in range(_TRIES):
        if (descriptor := _lock(path, fcntl.LOCK_EX, os.O_CREAT)) is not None:
            return descriptor
        time.sleep(_PAUSE_SECONDS)
    return None


def _lock(path: Path, how: int, opening: int) -> int | None:
    """Lock the file that is at ``path`` now: its last holder may just have removed the one we opened.

    ``opening`` is what else it is opened with: O_CREAT, or 0 to raise FileNotFoundError where there is none.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | opening, 0o644)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file is still the one at ``path``."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
