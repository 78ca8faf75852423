"""Make the tables of a ledger where there are none, and bring those of an earlier version up to date."""

from __future__ import annotations

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger import schema
from pytest_dgbudget.ledger.connection import Connection


def create_or_upgrade(connection: Connection) -> None:
    """Bring a ledger to this version; a later one stays as it is where this version may write into it.

    Raises LedgerError for what is no ledger, and for a later version's that this one would spoil.
    """
    tables = connection.tables()
    if not tables:
        _run(connection, schema.TABLES)
        _note_version(connection)
    elif not {"schema", "lease_end"} <= tables:
        raise LedgerError(f"{connection.name} is not a pytest-dgbudget ledger; name another one with --dg-ledger")
    else:
        _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    row = connection.rows("SELECT * FROM schema ORDER BY version DESC LIMIT 1", {})[0]
    version, writable_from = row["version"], row.get("writable_from")
    if version < schema.VERSION:
        for earlier in range(version, schema.VERSION):
            _run(connection, schema.UPGRADES[earlier])
        _note_version(connection)
    elif version > schema.VERSION and (writable_from is None or writable_from > schema.VERSION):
        raise LedgerError(
            f"the ledger {connection.name} has version {version}, but this pytest-dgbudget writes version "
            f"{schema.VERSION}; upgrade pytest-dgbudget or name another ledger with --dg-ledger"
        )


def _run(connection: Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.execute(statement, {})


def _note_version(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO schema (version, writable_from) VALUES (:version, :writable_from)",
        {"version": schema.VERSION, "writable_from": schema.WRITABLE_FROM},
    )
