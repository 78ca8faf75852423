"""Whether the ledger can be read and written, and where it is. Nothing is written into it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from pytest_dgbudget.cli.checks.check import Check, CheckResult
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.upgrade import create_or_upgrade
from pytest_dgbudget.paths import file_system, require_file, why_no_ledger
from pytest_dgbudget.units import counted

NAME = "ledger"
_TO_DO = "make it writable, or name a ledger on a local disk with --ledger=sqlite:///PATH or DG_LEDGER"
_TO_DO_ON_SERVER = "put that right, or name another ledger with --ledger or DG_LEDGER"


class _TakenBack(Exception):
    """Ends a transaction that was only tried."""


def check_ledger(run_config: RunConfig) -> Check:
    """Try what a gateway does with the ledger, and with its folder, and take it back."""
    try:
        if isinstance(run_config.ledger, str):
            return _checked_server(run_config.ledger, run_config.ledger_password)
        return _checked_file(run_config.ledger)
    except (OSError, LedgerError) as error:
        return _bad(run_config, str(error))


def _checked_file(path: Path) -> Check:
    folder = next(parent for parent in path.parents if parent.exists())
    lacks = why_no_ledger(folder)
    if lacks is not None:
        raise LedgerError(f"it can't be in {folder}: {lacks}")
    if path.exists():
        require_file(path)
        runs = _runs_in(SqliteConnection(path, durable=True))
        found = f"can be written, and has {counted(runs, 'run')}"
    else:
        found = "not there yet, and can be made"
    return Check(name=NAME, result="ok", found=f"{path}: {found} (file system: {file_system(folder) or 'not known'})")


def _checked_server(url: str, password: str | None) -> Check:
    connection = open_connection(url, password, durable=True)
    began = time.monotonic()
    connection.now()
    took_ms = round((time.monotonic() - began) * 1000)
    runs = _runs_in(connection)
    return Check(
        name=NAME, result="ok", found=f"{url}: can be written, and has {counted(runs, 'run')} ({took_ms} ms away)"
    )


def _bad(run_config: RunConfig, found: str) -> Check:
    """An emulated run has a temporary ledger instead, unless one was named."""
    needed: CheckResult = "failed" if run_config.has_key or run_config.ledger_given else "warning"
    return Check(
        name=NAME, result=needed, found=found, to_do=_TO_DO if isinstance(run_config.ledger, Path) else _TO_DO_ON_SERVER
    )


def _runs_in(connection: Connection) -> int:
    """Return how many runs it has, and close it; raises LedgerError."""
    with closing(connection):
        try:
            with connection.transaction():
                create_or_upgrade(connection)
                runs = len(LedgerReader(connection).run_ids())
                raise _TakenBack
        except _TakenBack:
            return runs
