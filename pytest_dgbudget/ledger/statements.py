"""What comparisons with the vendor's statement have come to: added to the ledger, by a gateway or later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.closed_sums import ClosedSums
from pytest_dgbudget.ledger.connection import LEASES, Connection
from pytest_dgbudget.rules.statement_lag import StatementLag


class BilledLease(NamedTuple):
    """What the vendor's statement says that a lease came to; None where it says nothing of it."""

    ms: int | None
    micro_usd: int | None


class StatementRecords:
    """Adds results; of several, the last one counts. Its methods raise LedgerError and leave nothing half done."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._closed_sums = ClosedSums(connection)

    def record(
        self,
        run: str,
        document: Mapping[str, Any],
        stated_ms: Mapping[str, int],
        billed: Mapping[str, BilledLease] = MappingProxyType({}),
    ) -> None:
        """Record what came of a reconciliation, as usage.json has it.

        ``stated_ms``: what the statement says of orphaned leases, by their ids; they are charged that, and no longer
        the whole. ``billed``: what it says that leases came to, which windows count from now on.
        """
        with self._db.transaction():
            self._db.exclude(LEASES)
            for lease, ms in stated_ms.items():
                with self._closed_sums.corrected(lease):
                    self._db.execute(sql.INSERT_STATED, {"lease": lease, "ms": ms, "at": utc_now()})
            for lease, figures in billed.items():
                self._record_billed(lease, figures)
            row = {"run": run, "verdict": document["verdict"], "at": utc_now(), "document": json.dumps(document)}
            self._db.execute(sql.INSERT_RECONCILIATION, row)

    def _record_billed(self, lease: str, figures: BilledLease) -> None:
        known = self._db.rows(sql.LAST_BILLED, {"lease": lease})
        if not known or BilledLease(**known[0]) != figures:
            with self._closed_sums.corrected(lease):
                self._db.execute(sql.INSERT_BILLED, {**figures._asdict(), "lease": lease, "at": utc_now()})

    def record_unless_changed(
        self,
        run: str,
        known: Mapping[str, Any] | None,
        document: Mapping[str, Any],
        stated_ms: Mapping[str, int],
        billed: Mapping[str, BilledLease] = MappingProxyType({}),
    ) -> bool:
        """Record unless ``known`` is not the last result any more: another process has come first.

        Return whether it was recorded.
        """
        with self._db.transaction():
            self._db.exclude(LEASES)
            if last_reconciliation(self._db, run) != known:
                return False
            self.record(run, document, stated_ms, billed)
        return True


def lag_in(document: Mapping[str, Any] | None) -> StatementLag | None:
    """Return how long the statement took according to a result; None where that says nothing of it."""
    figures = None if document is None else document.get("lag")
    if document is None or figures is None or document["project"] is None:
        return None
    return StatementLag(
        pending_ms=_milliseconds(figures["pending_seconds"]), settled_ms=_milliseconds(figures["settled_seconds"])
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def last_reconciliation(connection: Connection, run: str) -> dict[str, Any] | None:
    """Return what came of the last reconciliation of a run, as usage.json has it; None before the first."""
    rows = connection.rows(sql.RECONCILIATION, {"run": run})
    document: dict[str, Any] | None = json.loads(rows[0]["document"]) if rows else None
    return document
