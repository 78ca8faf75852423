"""How a usage record is inserted: once, though nobody may know whether the first time was in vain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.overruns import cut_columns
from pytest_dgbudget.ledger.replays import replay_columns
from pytest_dgbudget.model import UsageRecord


def insert_usage(connection: Connection, record: UsageRecord) -> bool:
    """Insert how a session ended with all that it was made of, within a transaction; return whether that was news.

    Of a session that others took for lost, this is known better. Raises LedgerError where another end is known.
    """
    if not _insert_end(connection, record):
        return False
    for statement, parts in (
        (sql.INSERT_TIER_SPAN, map(_row, record.tier_spans)),
        (sql.INSERT_TURN, map(_row, record.turns)),
        (sql.INSERT_VIOLATION, map(_row, record.violations)),
        (sql.INSERT_VENDOR_LATENCY, ({"ms": ms} for ms in record.vendor_latencies_ms)),
    ):
        for number, part in enumerate(parts, start=1):
            connection.insert(statement, {**part, "dial": record.dial, "number": number})
    return True


def _insert_end(connection: Connection, record: UsageRecord) -> bool:
    found = {
        "vendor_reports": record.vendor_reports,
        **cut_columns(record.overrun),
        **replay_columns(record.replay),
    }
    row = {**_row(record), **found, "id": new_id(), "supersedes": None}
    if connection.execute(sql.INSERT_USAGE, row):
        return True
    (known,) = connection.rows(sql.LAST_USAGE, {"dial": record.dial})
    if known["ms"] is None and record.ms is not None:
        return bool(connection.execute(sql.INSERT_USAGE, {**row, "supersedes": known["id"]}))
    if (known["closed_at"], known["ms"]) != (record.closed_at, record.ms):
        raise LedgerError(f"the ledger {connection.name} has another end of session {record.dial} already")
    return False


def _row(record: Any) -> dict[str, Any]:
    """Return a record's fields as columns: truths are 0 and 1."""
    return {name: int(value) if isinstance(value, bool) else value for name, value in asdict(record).items()}
