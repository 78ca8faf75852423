"""Where sessions are recorded until it is known what becomes of their tests: a folder beside the run's lock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

from pytest_dgbudget.ledger.run_lock import is_live

_BEGIN, _END = "run-", ".recordings"


def spool_of(folder: Path, run: str) -> Path:
    """Return the folder of a run's recordings, below that of its lock."""
    return folder / f"{_BEGIN}{run}{_END}"


def dead_spools(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield what gateways left that were killed, and that no successor took over, with the run of each."""
    return ((run, spool) for run, spool in _spools(folder) if not is_live(folder, run))


def remove_dead_spools(folder: Path, run: str, *, takes_over: bool) -> None:
    """Remove these for the gateway that holds the lock of ``run``; with ``takes_over`` it goes on with that one's."""
    for owner, spool in _spools(folder):
        is_used = takes_over if owner == run else is_live(folder, owner)
        if not is_used:
            rmtree(spool, ignore_errors=True)


def _spools(folder: Path) -> Iterator[tuple[str, Path]]:
    for spool in folder.glob(f"{_BEGIN}*{_END}"):
        if not spool.is_symlink():
            yield spool.name[len(_BEGIN) : -len(_END)], spool
