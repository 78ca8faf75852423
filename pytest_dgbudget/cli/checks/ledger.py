"""Whether the ledger can be read and written, and on which file system it is. Nothing is written into it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from pytest_dgbudget.cli.checks.check import Check, CheckResult
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.upgrade import create_or_upgrade
from pytest_dgbudget.paths import file_system, require_file, why_no_ledger
from pytest_dgbudget.units import counted

NAME = "ledger"
_TO_DO = "make it writable, or name a ledger on a local disk with --ledger=sqlite:///PATH or DG_LEDGER"


class _TakenBack(Exception):
    """Ends a transaction that was only tried."""


def check_ledger(run_config: RunConfig) -> Check:
    """Try what a gateway does with its folder and with the file, and take it back."""
    path = run_config.ledger
    folder = next(parent for parent in path.parents if parent.exists())
    try:
        lacks = why_no_ledger(folder)
        if lacks is not None:
            return _bad(run_config, f"it can't be in {folder}: {lacks}")
        runs = _runs_in(path)
    except (OSError, LedgerError) as error:
        return _bad(run_config, str(error))
    kind = file_system(folder) or "not known"
    found = "not there yet, and can be made" if runs is None else f"can be written, and has {counted(runs, 'run')}"
    return Check(name=NAME, result="ok", found=f"{path}: {found} (file system: {kind})")


def _bad(run_config: RunConfig, found: str) -> Check:
    """An emulated run has a temporary ledger instead, unless one was named."""
    needed: CheckResult = "failed" if run_config.has_key or run_config.ledger_given else "warning"
    return Check(name=NAME, result=needed, found=found, to_do=_TO_DO)


def _runs_in(path: Path) -> int | None:
    """Return how many runs it has; None where there is no file yet. Raises OSError or LedgerError."""
    if not path.exists():
        return None
    require_file(path)
    with closing(SqliteConnection(path, durable=True)) as connection:
        try:
            with connection.transaction():
                create_or_upgrade(connection)
                runs = len(LedgerReader(connection).run_ids())
                raise _TakenBack
        except _TakenBack:
            return runs
