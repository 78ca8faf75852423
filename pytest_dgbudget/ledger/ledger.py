"""What is recorded in the ledger and asked of it, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.instants import utc_now, write_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.closed_sums import ClosedSums
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.facts import KnownAttempt, RunFacts
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.statements import StatementRecords
from pytest_dgbudget.ledger.sums import ScopeValues, Sum, Sums
from pytest_dgbudget.ledger.sweep import LeftLease, sweep
from pytest_dgbudget.ledger.upgrade import create_or_upgrade
from pytest_dgbudget.model import (
    Attempt,
    Bypass,
    Invocation,
    Lease,
    OtherTarget,
    Outcome,
    Overrun,
    ScopeName,
    UsageRecord,
)
from pytest_dgbudget.rules.attempts import was_cut
from pytest_dgbudget.rules.budget import Granted, Refused, Scope, Wait, decide
from pytest_dgbudget.rules.prices import price_of
from pytest_dgbudget.rules.statement_lag import StatementLag


class Ledger:
    """One invocation's view of the ledger. Every method is one transaction and raises LedgerError when it fails.

    ``highest_price`` is that of a minute at the most expensive known tier, in millionths of a dollar.
    """

    def __init__(self, connection: Connection, invocation: Invocation, highest_price: int) -> None:
        self._db = connection
        self._highest_price = highest_price
        self._invocation = invocation
        self._run = {"run": invocation.run, "budget_ms": invocation.budget_ms}
        self._reader = LedgerReader(connection)
        self._sums = Sums(connection.version)
        self._closed_sums = ClosedSums(connection)
        self._statements = StatementRecords(connection)

    def begin(self, may_hold: Callable[[LeftLease], bool], *, takes_over: bool = False) -> None:
        """Create the tables, end what dead gateways left open, and enter this invocation.

        ``may_hold`` returns whether a gateway may still have sessions of a lease open. A gateway that takes over from a
        dead one of the same invocation finds the invocation entered already; otherwise this is not the same ledger any
        more.
        """
        with self.together():
            create_or_upgrade(self._db)
            sweep(self._db, may_hold)
            self._closed_sums.close(self._invocation.run)
            self._enter(takes_over=takes_over)

    def wait_since(self, asked_at: float) -> None:
        """Count the time that the next calls wait for other processes from this instant (``time.monotonic``) on."""
        self._db.wait_since(asked_at)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of several calls: each commit has its price, since it reaches the disk."""
        try:
            with self._db.transaction():
                yield
        except BaseException:
            self._sums.forget()
            raise

    def begin_attempt(
        self, nodeid: str, worker: str, budget_ms: int | None, target: OtherTarget | None = None
    ) -> Attempt:
        """Number the next attempt of a test and work out what is left of the test's own budget."""
        test = {"invocation": self._invocation.id, "nodeid": nodeid, "worker": worker}
        with self.together():
            number = self._db.rows(sql.NEXT_ATTEMPT, test)[0]["number"]
            left_ms = None
            if budget_ms is not None:
                left_ms = max(0, _scope("test", budget_ms, self._sums.of(test, self._add_up_test)).left_ms)
            attempt = Attempt(
                id=new_id(),
                nodeid=nodeid,
                worker=worker,
                number=number,
                target=target,
                budget_ms=budget_ms,
                left_ms=left_ms,
            )
            self._db.execute(
                sql.INSERT_ATTEMPT, {**asdict(attempt), "invocation": self._invocation.id, "at": utc_now()}
            )
        return attempt

    def lease(self, attempt: Attempt) -> Lease | Wait | Refused:
        """Take a lease if every budget allows it now."""
        with self.together():
            decision = decide(self.scopes(attempt))
            if not isinstance(decision, Granted):
                return decision
            lease = Lease(
                id=new_id(),
                allowance_ms=decision.allowance_ms,
                micro_usd=price_of(decision.allowance_ms, self._highest_price),
                scope=decision.scope.name if decision.scope else "test",
                allowed_ms=decision.scope.allowed_ms if decision.scope else decision.allowance_ms,
            )
            self._insert_lease(lease, attempt)
        return lease

    def lease_to_dial(self, attempt: Attempt) -> tuple[Lease, str] | Wait | Refused:
        """Take a lease, and record that its first session is about to be dialled."""
        with self.together():
            lease = self.lease(attempt)
            return (lease, self.record_dial(lease, attempt.target)) if isinstance(lease, Lease) else lease

    def scopes(self, attempt: Attempt) -> list[Scope]:
        """Every budget that applies to an attempt, the narrowest first."""
        scopes = []
        if attempt.budget_ms is not None:
            of_test = self._sums.of(self._test(attempt), self._add_up_test)
            scopes.append(_scope("test", attempt.budget_ms, of_test))
        if self._invocation.budget_ms is not None and attempt.target is None:
            of_run = self._sums.of(self._run, self._add_up_run)
            scopes.append(_scope("run", self._invocation.budget_ms, of_run))
        return scopes

    def record_dial(self, lease: Lease, target: OtherTarget | None = None, run_key: str | None = None) -> str:
        """Record that a session is about to be dialled, where if not where its run is, and with which of its keys.

        Return the dial's id.
        """
        dial = new_id()
        row = {"id": dial, "lease": lease.id, "at": utc_now(), "target": target, "run_key": run_key}
        self._insert(sql.INSERT_DIAL, row)
        return dial

    def record_run_key(self, key_id: str) -> None:
        """Record a key that was made for the run, by its id: the key itself is in no ledger."""
        of_invocation = {"run": self._invocation.run, "invocation": self._invocation.id}
        self._insert(sql.INSERT_RUN_KEY, {**of_invocation, "id": key_id, "made_at": utc_now()})

    def end_run_key(self, key_id: str) -> None:
        """Record that a key is gone; the first time counts."""
        self._insert(sql.END_RUN_KEY, {"run_key": key_id, "at": utc_now()})

    def run_keys_to_end(self) -> list[str]:
        """Return the ids of this invocation's keys that nobody has deleted, those of a dead gateway among them."""
        return [row["id"] for row in self._db.rows(sql.RUN_KEYS_TO_END, {"invocation": self._invocation.id})]

    def record_welcome(self, dial: str, request_id: str | None, handshake_ms: int) -> None:
        """Record that a session opened, and the vendor's key for it."""
        self._insert(sql.INSERT_WELCOME, {"dial": dial, "request_id": request_id, "handshake_ms": handshake_ms})

    def record_usage(self, record: UsageRecord) -> None:
        """Record how a session ended, once, with all that it was made of."""
        with self.together():
            self._db.execute(sql.INSERT_USAGE, {**_row(record), "id": new_id()})
            for statement, parts in (
                (sql.INSERT_TIER_SPAN, record.tier_spans),
                (sql.INSERT_TURN, record.turns),
                (sql.INSERT_VIOLATION, record.violations),
            ):
                for number, part in enumerate(parts, start=1):
                    self._db.execute(statement, {**_row(part), "dial": record.dial, "number": number})
        if was_cut(record.closed_by):
            self._sums.forget()

    def settle(self, lease: Lease, ms: int, micro_usd: int | None = None) -> None:
        """End a lease with what was metered, and what that costs; what it didn't use is free again."""
        end = {"lease": lease.id, "how": "settled", "ms": ms, "micro_usd": micro_usd, "at": utc_now()}
        with self.together():
            self._db.execute(sql.END_LEASE, end)
            self._sums.settled(lease, ms)

    def record_wait(self, attempt: Attempt, ms: int) -> None:
        self._insert(sql.INSERT_WAIT, {"attempt": attempt.id, "ms": ms})

    def record_refusal(self, attempt: Attempt, overrun: Overrun, *, tolerated: bool, times: int = 1) -> None:
        """Record that a budget refused so many sessions; ``tolerated``: the user asked to skip such tests."""
        self._insert(
            sql.INSERT_REFUSAL,
            {
                "attempt": attempt.id,
                "scope": overrun.scope,
                "used_ms": overrun.used_ms,
                "allowed_ms": overrun.allowed_ms,
                "tolerated": int(tolerated),
                "at": utc_now(),
                "times": times,
            },
        )

    def record_bypass(self, attempt: str | None, bypass: Bypass) -> None:
        """Record a session past the gateway; ``attempt`` None: no test ran."""
        row = {**asdict(bypass), "run": self._invocation.run, "attempt": attempt, "at": utc_now()}
        self._insert(sql.INSERT_BYPASS, row)

    def record_outcome(self, attempt_id: str, outcome: Outcome) -> None:
        """Record what became of an attempt; the last one counts."""
        self._insert(sql.INSERT_OUTCOME, {"attempt": attempt_id, "outcome": outcome})

    def end_invocation(self, exit_status: int | None) -> None:
        """End the invocation. Without ``finish`` from pytest it has no exit status."""
        self._insert(
            sql.END_INVOCATION, {"invocation": self._invocation.id, "exit_status": exit_status, "at": utc_now()}
        )

    def record_reconciliation(
        self, document: Mapping[str, Any], stated_ms: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        """Record what came of a reconciliation of the run, and charge orphaned leases what the statement says of them.

        ``document`` is as usage.json has it, ``stated_ms`` by the ids of the leases; the last ones count.
        """
        with self.together():
            self._statements.record(self._invocation.run, document, stated_ms)
        self._sums.forget()

    def earlier_lags(self) -> Mapping[str, Sequence[StatementLag]]:
        """Return how long the statement took in earlier runs of the same target, by the vendor's project."""
        return self._reader.lags(self._invocation.target, besides=self._invocation.run)

    def facts(self) -> RunFacts:
        """Return everything that is known of the run."""
        return self._reader.facts(self._invocation.run)

    def known_attempt(self, attempt: str) -> KnownAttempt | None:
        """Return what is known of one attempt; None when it is not in the ledger."""
        return self._reader.known_attempt(attempt)

    def close(self) -> None:
        self._db.close()

    def _insert(self, statement: str, row: Mapping[str, Any]) -> None:
        with self.together():
            self._db.execute(statement, row)

    def _insert_lease(self, lease: Lease, attempt: Attempt) -> None:
        taken_at = datetime.now(timezone.utc)
        ends_at = taken_at + timedelta(milliseconds=lease.allowance_ms)
        row = {
            "id": lease.id,
            "run": self._invocation.run,
            "attempt": attempt.id,
            "scope": lease.scope,
            "ms": lease.allowance_ms,
            "micro_usd": lease.micro_usd,
            "taken_at": write_instant(taken_at),
            "ends_at": write_instant(ends_at),
        }
        self._db.execute(sql.INSERT_LEASE, row)
        self._sums.leased(lease, *self._counts_in(attempt))

    def _counts_in(self, attempt: Attempt) -> list[ScopeValues]:
        """Return the scopes in which a lease of an attempt counts: in its run's where it is dialled as its run is."""
        of_test = self._test(attempt)
        return [of_test, self._run] if attempt.target is None else [of_test]

    def _add_up_test(self, test: ScopeValues) -> Sum:
        return Sum(**self._db.rows(sql.TEST_SUMS, test)[0])

    def _add_up_run(self, run: ScopeValues) -> Sum:
        return self._closed_sums.with_what_came_since(run)

    def _test(self, attempt: Attempt) -> dict[str, str]:
        return {"invocation": self._invocation.id, "nodeid": attempt.nodeid, "worker": attempt.worker}

    def _enter(self, *, takes_over: bool) -> None:
        truths = {"billed": int(self._invocation.billed), "may_bypass": int(self._invocation.may_bypass)}
        row = {**asdict(self._invocation), **truths, "at": utc_now()}
        known = self._db.rows(sql.FIND_RUN, {"run": self._invocation.run})
        if not known:
            self._db.execute(sql.INSERT_RUN, row)
        elif (target := known[0]["target"]) != self._invocation.target:
            raise LedgerError(
                f"run id {self._invocation.run!r} was already used for target {target!r} and can't be used for "
                f"{self._invocation.target!r} as well; choose another --dg-run-id"
            )
        is_entered = bool(self._db.rows(sql.FIND_INVOCATION, {"id": self._invocation.id}))
        if takes_over and not is_entered:
            raise LedgerError(
                f"the ledger {self._db.name} has lost what this run put into it, so nothing can be reported"
            )
        if not is_entered:
            self._db.execute(sql.INSERT_INVOCATION, row)


def _row(record: Any) -> dict[str, Any]:
    """Return a record's fields as columns: truths are 0 and 1."""
    return {name: int(value) if isinstance(value, bool) else value for name, value in asdict(record).items()}


def _scope(name: ScopeName, allowed_ms: int, sum_: Sum) -> Scope:
    return Scope(
        name=name,
        allowed_ms=allowed_ms,
        settled_ms=sum_.settled_ms,
        leased_ms=sum_.leased_ms,
        was_cut=sum_.cuts > 0,
    )
