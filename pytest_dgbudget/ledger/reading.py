"""What can be read from a ledger without an invocation of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection, Rows, under_way
from pytest_dgbudget.ledger.facts import (
    ArchivedPart,
    AttemptFacts,
    InvocationFacts,
    KnownAttempt,
    LeaseFacts,
    RefusalFacts,
    RunFacts,
    RunKeyFacts,
    SessionFacts,
    TurnFacts,
    VendorLatencyFacts,
    ViolationFacts,
)
from pytest_dgbudget.ledger.overruns import refusal_in
from pytest_dgbudget.ledger.statements import lag_in, last_reconciliation
from pytest_dgbudget.model import Attempt, Bypass
from pytest_dgbudget.rules.statement_lag import LAST_RUNS, StatementLag
from pytest_dgbudget.units import known_sum

T = TypeVar("T")

_RECENT = timedelta(days=30)
# The vendor keeps requests so long.
_KEPT = timedelta(days=90)


class LedgerReader:
    """Reads a ledger of this version; the figures of one answer are consistent. Its methods raise LedgerError."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def facts(self, run: str) -> RunFacts:
        """Return everything that is known of a run."""
        with self._db.snapshot():
            return self._read_facts(run)

    def known_run(self, run: str) -> RunFacts | None:
        """Return everything that is known of a run; None when it is not in the ledger."""
        with self._db.snapshot():
            return self._read_facts(run) if self._db.rows(sql.FIND_RUN, {"run": run}) else None

    def archive_of(self, run: str) -> ArchivedPart | None:
        """Return what was archived last of a run of which nothing else is left; None for others."""
        parts = self._records(ArchivedPart, sql.ARCHIVED_PARTS, {"run": run})
        return parts[-1] if parts and not self._db.rows(sql.INVOCATIONS, {"run": run}) else None

    def run_ids(self) -> list[str]:
        """Return the ids of all runs, the last one first."""
        return [row["id"] for row in self._db.rows(sql.RUN_IDS, {})]

    def pending_runs(self) -> list[str]:
        """Return the ids of the runs that another comparison may settle, the first one first.

        Their last reconciliation is pending, or they have none although something was dialled: their gateway died
        before it. After them come those that could not be compared in full, since a part of the statement could not be
        read.
        """
        with self._db.snapshot():
            pending = [row["id"] for row in self._db.rows(sql.PENDING_RUNS, {})]
            since = write_instant(datetime.now(timezone.utc) - _KEPT)
            found = self._db.rows(sql.INCONCLUSIVE_RUNS, {"since": since})
            return [*pending, *(row["id"] for row in found if json.loads(row["document"]).get("unread"))]

    def lags(self, target: str, *, besides: str) -> dict[str, list[StatementLag]]:
        """Return how long the statement took in the last runs of a target but one, by the vendor's project.

        What is older than thirty days says nothing any more.
        """
        found: dict[str, list[StatementLag]] = {}
        since = write_instant(datetime.now(timezone.utc) - _RECENT)
        values = {"target": target, "run": besides, "since": since, "most": LAST_RUNS}
        for row in self._db.rows(sql.LAST_RECONCILIATIONS, values):
            document = json.loads(row["document"])
            lag = lag_in(document)
            if lag is not None:
                found.setdefault(document["project"], []).append(lag)
        return found

    def known_attempt(self, attempt: str) -> KnownAttempt | None:
        """Return what is known of one attempt; None when it is not in the ledger."""
        with self._db.snapshot():
            return self._read_attempt(attempt)

    def _read_facts(self, run: str) -> RunFacts:
        of_run = {"run": run}
        found = self._db.rows(sql.RUN, of_run)
        if not found:
            raise LedgerError(f"the ledger {self._db.name} has no run {run!r}")
        return RunFacts(
            **{**found[0], "billed": bool(found[0]["billed"])},
            invocations=self._invocations(of_run),
            attempts=self._records(AttemptFacts, sql.ATTEMPTS, of_run),
            leases=self._records(LeaseFacts, sql.LEASES, of_run),
            sessions=self._records(SessionFacts, sql.SESSIONS, of_run),
            bypasses=self._records(Bypass, sql.BYPASSES, of_run),
            turns=self._records(TurnFacts, sql.TURNS, of_run),
            violations=self._records(ViolationFacts, sql.VIOLATIONS, of_run),
            reconciliation=last_reconciliation(self._db, run),
            run_keys=self._records(RunKeyFacts, sql.RUN_KEYS, of_run),
            archived=self._records(ArchivedPart, sql.ARCHIVED_PARTS, of_run),
            vendor_latencies=self._records(VendorLatencyFacts, sql.VENDOR_LATENCIES, of_run),
            refusals=tuple(
                RefusalFacts(row["attempt"], refusal_in(row)) for row in self._db.rows(sql.REFUSALS_OF_RUN, of_run)
            ),
        )

    def _invocations(self, of_run: Mapping[str, Any]) -> tuple[InvocationFacts, ...]:
        found = self._records(InvocationFacts, sql.INVOCATIONS, of_run)
        held = self._db.held(under_way(each.id) for each in found if each.finished_at is None)
        return tuple(each._replace(is_under_way=under_way(each.id) in held) for each in found)

    def _read_attempt(self, attempt: str) -> KnownAttempt | None:
        of_attempt = {"attempt": attempt}
        found = self._records(Attempt, sql.ATTEMPT, of_attempt)
        if not found:
            return None
        ends = self._db.rows(sql.LEASE_ENDS, of_attempt)
        orphaned = _charged(ends, "orphaned")
        sessions = self._records(SessionFacts, sql.SESSIONS_OF_ATTEMPT, of_attempt)
        refusals = self._db.rows(sql.REFUSALS, of_attempt)
        return KnownAttempt(
            attempt=found[0],
            settled_ms=sum(_charged(ends, "settled")),
            settled_micro_usd=known_sum(end["micro_usd"] for end in ends),
            orphaned_ms=sum(orphaned) if orphaned else None,
            sessions=sessions,
            turns=self._records(TurnFacts, sql.TURNS_OF_ATTEMPT, of_attempt),
            vendor_latencies=self._records(VendorLatencyFacts, sql.VENDOR_LATENCIES_OF_ATTEMPT, of_attempt),
            overruns=[*(cut for each in sessions if (cut := each.cut) is not None), *map(refusal_in, refusals)],
            refused=sum(row["times"] for row in refusals),
            bypasses=self._records(Bypass, sql.BYPASSES_OF_ATTEMPT, of_attempt),
        )

    def _records(self, kind: Callable[..., T], statement: str, values: Mapping[str, Any]) -> tuple[T, ...]:
        """Return each row as a record, whose fields have the names of the columns."""
        return tuple(kind(**row) for row in self._db.rows(statement, values))


def _charged(ends: Rows, how: str) -> list[int]:
    return [end["ms"] for end in ends if end["how"] == how]
