"""Make the tables of a ledger where there are none, and bring those of an earlier version up to date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger import schema, sql
from pytest_dgbudget.ledger.connection import Connection, LedgerNotWritable


def create_or_upgrade(connection: Connection) -> None:
    """Bring a ledger to this version; a later one stays as it is where this version may write into it.

    To be called within a transaction: whoever else does this at the same moment waits, and then finds it done.
    Raises LedgerError for what is no ledger, and for a later version's that this one would spoil.
    """
    connection.exclude("tables")
    tables = connection.tables()
    if not tables:
        _run(connection, schema.TABLES)
        _note_version(connection)
    else:
        _require_ledger(connection, tables)
        _upgrade(connection)


def upgrade_to_read(connection: Connection, run: str) -> None:
    """Bring a ledger of an earlier version that has this run to this one; any other stays as it is.

    Raises LedgerError, which names both versions where the ledger can't be written.
    """
    if not connection.rows(sql.FIND_RUN, {"run": run}):
        return
    version = _newest(connection)["version"]
    if version >= schema.VERSION:
        return
    try:
        with connection.transaction():
            create_or_upgrade(connection)
    except LedgerNotWritable as error:
        raise LedgerError(
            f"the ledger {connection.name} has version {version}, which this pytest-dgbudget reads once it is upgraded "
            f"to version {schema.VERSION}, but it can't be written; make it writable, or open a session where it is"
        ) from error


def is_current(connection: Connection) -> bool:
    """Return whether a ledger has all that this version reads, without an upgrade.

    Raises LedgerError for what is no ledger.
    """
    _require_ledger(connection, connection.tables())
    version: int = _newest(connection)["version"]
    return version >= schema.VERSION


def _require_ledger(connection: Connection, tables: set[str]) -> None:
    if not {"schema", "lease_end"} <= tables:
        raise LedgerError(f"{connection.name} is not a pytest-dgbudget ledger; name another one with --dg-ledger")


def _newest(connection: Connection) -> Mapping[str, Any]:
    rows = connection.rows("SELECT * FROM schema ORDER BY version DESC LIMIT 1", {})
    if not rows or not isinstance(rows[0]["version"], int):
        found = repr(rows[0]["version"]) if rows else "none"
        raise LedgerError(
            f"the version of the ledger {connection.name} can't be read ({found}); restore it from a copy"
        )
    return rows[0]


def _upgrade(connection: Connection) -> None:
    row = _newest(connection)
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
