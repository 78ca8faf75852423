"""The project's ledger, opened by a command while no gateway of its own runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from difflib import get_close_matches
from socket import gethostname

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError, SettingsError
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.holders import Holders, holders_of
from pytest_dgbudget.ledger.opening import open_existing
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.upgrade import create_or_upgrade

_MOST_NAMED = 3


@contextmanager
def open_ledger(run_config: RunConfig) -> Iterator[Connection]:
    """Open the ledger that the runs of this project have written, upgraded to this version; raises LedgerError."""
    connection = open_existing(run_config.ledger, run_config.ledger_password, durable=True)
    if connection is None:
        raise LedgerError(
            f"there is no ledger {run_config.ledger}: no run has opened a session here; "
            "name another one with --dg-ledger"
        )
    with closing(connection):
        with connection.transaction():
            create_or_upgrade(connection)
        yield connection


def holders_in(connection: Connection, run_config: RunConfig) -> Holders:
    """Return who may still hold what stands in the project's ledger."""
    return holders_of(run_config.ledger, connection, run_config.state_dir, gethostname())


def require_run(reader: LedgerReader, run: str | None) -> str:
    """Return the id of a run of the ledger; raises SettingsError, which names those that could be meant, for others."""
    known = reader.run_ids()
    if run is None:
        raise SettingsError(f"which RUN? The last ones: {_listed(known)}")
    if run not in known:
        nearest = get_close_matches(run, known, n=_MOST_NAMED)
        which = f"the nearest: {_listed(nearest)}" if nearest else f"the last ones: {_listed(known)}"
        raise SettingsError(f"the ledger has no run {run!r}; {which}")
    archived = reader.archive_of(run)
    if archived is not None:
        raise SettingsError(f"run {run!r} was archived on {archived.at[:10]}: its details are in {archived.file}")
    return run


def _listed(runs: list[str]) -> str:
    return ", ".join(runs[:_MOST_NAMED]) or "none, it is empty"
