"""Open a ledger, wherever it is: a Path is that of a file, a URL that of a server, without its password."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.paths import require_file

if TYPE_CHECKING:
    from pytest_dgbudget.ledger.changes import Changes


def open_connection(ledger: Path | str, password: str | None, *, durable: bool) -> Connection:
    """Connect to a ledger; a file is made where there is none. Raises LedgerError.

    ``durable``: every commit reaches the disk before it returns; on a server, it always does.
    """
    if isinstance(ledger, str):
        from pytest_dgbudget.ledger.postgres import PostgresConnection

        return PostgresConnection(ledger, password)
    from pytest_dgbudget.ledger.sqlite import SqliteConnection

    return SqliteConnection(ledger, durable=durable)


def open_existing(ledger: Path | str, password: str | None, *, durable: bool) -> Connection | None:
    """Connect to a ledger that is there; None where no run has written one yet. Raises LedgerError."""
    if isinstance(ledger, Path) and not _is_there(ledger):
        return None
    connection = open_connection(ledger, password, durable=durable)
    try:
        if connection.tables():
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def changes_of(ledger: Path | str, password: str | None) -> Changes:
    """Return what tells of changes in a ledger that is there."""
    from pytest_dgbudget.ledger.changes import Changes

    if isinstance(ledger, str):
        from pytest_dgbudget.ledger.postgres_watch import PostgresWatch

        return Changes(lambda: PostgresWatch(ledger, password))
    from pytest_dgbudget.ledger.sqlite import SqliteWatch

    return Changes(lambda: SqliteWatch(ledger))


def _is_there(path: Path) -> bool:
    try:
        require_file(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LedgerError(f"the ledger {path} can't be read: {error}") from error
    return True
