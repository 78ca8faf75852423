"""The project's ledger, opened by a command while no gateway of its own runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.upgrade import create_or_upgrade
from pytest_dgbudget.paths import require_file


@contextmanager
def open_ledger(run_config: RunConfig) -> Iterator[SqliteConnection]:
    """Open the ledger that the runs of this project have written, upgraded to this version; raises LedgerError."""
    path = run_config.ledger
    try:
        require_file(path)
    except FileNotFoundError:
        raise LedgerError(
            f"there is no ledger {path}: no run has opened a session here; name another one with --dg-ledger"
        ) from None
    except OSError as error:
        raise LedgerError(f"the ledger {path} can't be read: {error}") from error
    with closing(SqliteConnection(path, durable=True)) as connection:
        with connection.transaction():
            create_or_upgrade(connection)
        yield connection
