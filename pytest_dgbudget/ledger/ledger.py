"""What is recorded in the ledger and asked of it, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.instants import utc_now, write_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.budgets import Budgets, Settled
from pytest_dgbudget.ledger.connection import LEASES, Connection, served, under_way
from pytest_dgbudget.ledger.entering import enter
from pytest_dgbudget.ledger.facts import KnownAttempt, RunFacts
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.overruns import refusal_columns
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.shared_budgets import NONE_SHARED, SharedBudgets
from pytest_dgbudget.ledger.shared_queue import SharedQueue
from pytest_dgbudget.ledger.statements import BilledLease, StatementRecords
from pytest_dgbudget.ledger.sums import Sums
from pytest_dgbudget.ledger.sweep import LeftLease, sweep
from pytest_dgbudget.ledger.upgrade import create_or_upgrade
from pytest_dgbudget.ledger.usage_records import insert_usage
from pytest_dgbudget.ledger.waiters import Queued, Serves
from pytest_dgbudget.model import (
    Attempt,
    Awaited,
    Bypass,
    Invocation,
    Lease,
    Limit,
    OtherDial,
    OtherTarget,
    Outcome,
    Overrun,
    UsageRecord,
)
from pytest_dgbudget.rules.attempts import was_cut
from pytest_dgbudget.rules.budget import Decision, Granted, Refused, Scope, decide, used_up_first
from pytest_dgbudget.rules.statement_lag import StatementLag

if TYPE_CHECKING:
    from pytest_dgbudget.ledger.runs_before import RunsBefore


class Ledger:
    """One invocation's view of the ledger. Every method is one transaction and raises LedgerError when it fails.

    ``highest_price`` is that of a minute at the most expensive known tier, in millionths of a dollar. ``shared`` are
    the budgets of dgbudget.toml.
    """

    def __init__(
        self, connection: Connection, invocation: Invocation, highest_price: int, shared: SharedBudgets = NONE_SHARED
    ) -> None:
        self._db = connection
        self._gateway = new_id()
        self._highest_price = highest_price
        self._invocation = invocation
        self._reader = LedgerReader(connection)
        self._sums = Sums(connection.version)
        self._budgets = Budgets(connection, invocation, highest_price, shared, self._sums)
        self._statements = StatementRecords(connection)
        self._queue = SharedQueue(connection, invocation, self._gateway, shared, self._sums.forget)

    def begin(self, may_hold: Callable[[LeftLease], bool], serves: Serves, *, takes_over: bool = False) -> None:
        """Create the tables, end what dead gateways left open, and enter this invocation.

        ``may_hold`` returns whether a gateway may still have sessions of a lease open, ``serves`` whether one serves a
        run; both are asked again whenever a session has to wait. A gateway that takes over from a
        dead one of the same invocation finds the invocation entered already; otherwise this is not the same ledger any
        more.
        """
        for what in (self._gateway, served(self._invocation.run), under_way(self._invocation.id)):
            self._db.hold(what)
        with self.together():
            create_or_upgrade(self._db)
            sweep(self._db, may_hold)
            self._queue.begin(may_hold, serves)
            self._budgets.close_sums(self._db.now().date())
            enter(self._db, self._invocation, takes_over=takes_over)

    def end_left(self, attempt: str) -> None:
        """End what the gateway before this one left open of an attempt: it is gone, so its sessions are as well."""
        with self.together():
            sweep(self._db, lambda lease: lease.attempt != attempt or lease.gateway == self._gateway)
        self._sums.forget()

    def connect(self) -> None:
        """Connect again where the connection is lost."""
        self._db.now()

    def wait_since(self, asked_at: float) -> None:
        """Count the time that the next calls wait for other processes from this instant (``time.monotonic``) on."""
        self._db.wait_since(asked_at)

    def now(self) -> datetime:
        """Return the instant by the ledger's clock, in UTC."""
        return self._db.now()

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
        self,
        nodeid: str,
        worker: str,
        budget_ms: int | None,
        target: OtherTarget | None = None,
        path: str | None = None,
        cost_budget_micro_usd: int | None = None,
    ) -> Attempt:
        """Number the next attempt of a test and work out what is left of the test's own budgets.

        ``path`` is the glob of its path budget.
        """
        test = {"invocation": self._invocation.id, "nodeid": nodeid, "worker": worker}
        with self.together():
            number = self._db.rows(sql.NEXT_ATTEMPT, test)[0]["number"]
            attempt = Attempt(
                id=new_id(),
                nodeid=nodeid,
                worker=worker,
                number=number,
                target=target,
                budget_ms=budget_ms,
                left_ms=None,
                path=path,
                cost_budget_micro_usd=cost_budget_micro_usd,
            )
            left = {scope.currency: max(0, scope.left) for scope in self._budgets.of_test(attempt)}
            attempt = replace(attempt, left_ms=left.get("time"), cost_left_micro_usd=left.get("money"))
            self._db.insert(sql.INSERT_ATTEMPT, {**asdict(attempt), "invocation": self._invocation.id, "at": utc_now()})
        return attempt

    def lease(self, attempt: Attempt, waiter: str | None = None) -> Lease | Queued | Refused:
        """Take a lease, and a place, if every budget allows it now and nobody who came first wants the same.

        ``waiter`` names who asks, as often as it does: one that is queued asks again, or stops waiting; None: it asks
        once.
        """
        with self.together():
            self._db.exclude(LEASES, self._budgets.read_for(attempt))
            now = self._db.now()
            decision = self._queue.of_lease(attempt, waiter, partial(self._decide, attempt, now))
            return self._insert_lease(decision, attempt, now) if isinstance(decision, Granted) else decision

    def lease_to_dial(
        self, attempt: Attempt, run_key: str | None = None, waiter: str | None = None
    ) -> tuple[Lease, str] | Queued | Refused:
        """Take a lease, and record that the first session is about to be dialled, with this key of the run's.

        The dial is named as the waiter is.
        """
        with self.together():
            lease = self.lease(attempt, waiter)
            if not isinstance(lease, Lease):
                return lease
            return lease, self.record_dial(lease, attempt.target, run_key, waiter)

    def further_dial(
        self, lease: Lease, attempt: Attempt, run_key: str | None = None, waiter: str | None = None
    ) -> str | Queued:
        """Take a place, and record that a further session of an open lease is about to be dialled; return its id."""
        with self.together():
            queued = self._queue.of_dial(attempt, waiter)
            return self.record_dial(lease, attempt.target, run_key, waiter) if queued is None else queued

    def begin_replay(self, attempt: Attempt, cassettes: str) -> tuple[Lease, str]:
        """Record that a session is about to be replayed from one of its test's cassettes; return the dial's id as well.

        Its lease sets nothing aside: a replay takes neither time nor money, whatever is left. ``cassettes`` is their
        folder, relative to the rootdir.
        """
        lease = Lease(id=new_id(), allowance_ms=0, micro_usd=0, time_limit=Limit(scope="test", allowed=0))
        target: OtherDial | None = None if self._invocation.target == "replay" else "replay"
        with self.together():
            self._db.exclude(LEASES)
            self._db.insert(sql.INSERT_LEASE, self._row_of(lease, attempt, self._db.now()))
            return lease, self.record_dial(lease, target, cassettes=cassettes)

    def record_made_cassette(self, dial: str, cassette: str) -> None:
        """Record that a cassette was made of a session that was dialled: its folder, relative to the rootdir."""
        self._insert(sql.INSERT_MADE_CASSETTE, {"dial": dial, "cassette": cassette, "at": utc_now()})

    def take_back(self, never_dialled: UsageRecord) -> None:
        """End a dial that was not made, if it is recorded, with the lease that was taken for it alone, or its waiting.

        Whoever asked for it lost the connection before the answer, which the server may be about to write.
        """
        with self.together():
            self._db.exclude(LEASES)
            self._queue.stop_waiting(never_dialled.dial)
            for row in self._db.rows(sql.LEASE_OF_DIAL, {"dial": never_dialled.dial}):
                self.record_usage(never_dialled)
                if row["dials"] == 1:
                    self._db.execute(sql.END_LEASE, _settled(row["lease"], 0, 0))
                self._sums.forget()

    def stop_waiting(self, waiter: str) -> None:
        """Let those go first that wait for the same."""
        with self.together():
            self._queue.stop_waiting(waiter)

    def _decide(self, attempt: Attempt, now: datetime) -> Decision:
        return decide(self._budgets.of_attempt(attempt, now.date()), self._highest_price)

    def scopes(self, attempt: Attempt) -> list[Scope]:
        """Every budget that applies to an attempt now, the narrowest first."""
        return self._budgets.of_attempt(attempt, self._db.now().date())

    def shared_scopes(self) -> list[Scope]:
        """The budgets of dgbudget.toml: of all paths, and windows."""
        return self._budgets.of_project_file(self._db.now().date())

    def scopes_of_run(self) -> list[Scope]:
        """The budgets that all tests of the run share: its own, and windows."""
        return self._budgets.of_run(self._db.now().date())

    def settled_of_run(self) -> Settled:
        """What is settled of the run, by all of its invocations."""
        return self._budgets.settled_of_run()

    def record_dial(
        self,
        lease: Lease,
        target: OtherDial | None = None,
        run_key: str | None = None,
        dial: str | None = None,
        *,
        cassettes: str | None = None,
    ) -> str:
        """Record that a session is about to be dialled, where if not where its run is, and with which of its keys.

        Return the dial's id, which is made up where none is given. ``cassettes``: it is replayed from this folder.
        """
        dial = dial or new_id()
        of_dial = {"id": dial, "lease": lease.id, "at": utc_now()}
        self._insert(sql.INSERT_DIAL, {**of_dial, "target": target, "run_key": run_key, "cassette": cassettes})
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
        """Record how a session ended, once, with all that it was made of.

        It may be recorded again when nobody knows whether that was in vain, since the connection was lost. Of a session
        that others took for lost, this is known better.
        """
        with self.together():
            if insert_usage(self._db, record):
                self._db.announce()  # its place is free
        if was_cut(record.closed_by):
            self._sums.forget()

    def settle(self, lease: Lease, ms: int, micro_usd: int | None = None) -> None:
        """End a lease with what was metered, and what that costs; what it didn't use is free again.

        One that others have swept meanwhile stays as they have ended it: once.
        """
        with self.together():
            if self._db.execute(sql.END_LEASE, _settled(lease.id, ms, micro_usd)):
                self._db.announce()
                self._sums.settled(lease, ms, micro_usd)
            else:
                self._sums.forget()

    def record_wait(self, id_: str, attempt: Attempt, ms: int, waits_for: Awaited) -> None:
        """Record what an attempt has waited for: of one id once, however often that is tried."""
        self._insert(sql.INSERT_WAIT, {"id": id_, "attempt": attempt.id, "ms": ms, "waits_for": waits_for})

    def record_refusal(self, id_: str, attempt: Attempt, overrun: Overrun, *, tolerated: bool, times: int = 1) -> None:
        """Record, of one id once, that a budget refused so many sessions; ``tolerated``: the user asked for skips."""
        self._insert(
            sql.INSERT_REFUSAL,
            {
                **refusal_columns(overrun),
                "id": id_,
                "attempt": attempt.id,
                "tolerated": int(tolerated),
                "at": utc_now(),
                "times": times,
            },
        )

    def record_bypass(self, id_: str, attempt: str | None, bypass: Bypass) -> None:
        """Record, of one id once, a session past the gateway; ``attempt`` None: no test ran."""
        row = {**asdict(bypass), "id": id_, "run": self._invocation.run, "attempt": attempt, "at": utc_now()}
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
        self,
        document: Mapping[str, Any],
        stated_ms: Mapping[str, int] = MappingProxyType({}),
        billed: Mapping[str, BilledLease] = MappingProxyType({}),
    ) -> None:
        """Record what came of a reconciliation of the run, and charge orphaned leases what the statement says of them.

        ``document`` is as usage.json has it, ``stated_ms`` and what is ``billed`` by the ids of the leases; the last
        ones count.
        """
        with self.together():
            self._statements.record(self._invocation.run, document, stated_ms, billed)
        self._sums.forget()

    def earlier_lags(self) -> Mapping[str, Sequence[StatementLag]]:
        """Return how long the statement took in earlier runs of the same target, by the vendor's project."""
        return self._reader.lags(self._invocation.target, besides=self._invocation.run)

    def runs_before(self) -> RunsBefore:
        """Return what earlier runs of the same target came to, to compare this one with."""
        from pytest_dgbudget.ledger.runs_before import runs_before  # at the end of a run alone

        return runs_before(self._db, self._invocation.run)

    def facts(self) -> RunFacts:
        """Return everything that is known of the run."""
        return self._reader.facts(self._invocation.run)

    def known_attempt(self, attempt: str) -> KnownAttempt | None:
        """Return what is known of one attempt; None when it is not in the ledger."""
        return self._reader.known_attempt(attempt)

    def last_attempt(self, nodeid: str, worker: str) -> str | None:
        """Return the last attempt of a test in this invocation, whichever gateway began it; None where none has."""
        test = {"invocation": self._invocation.id, "nodeid": nodeid, "worker": worker}
        return next((row["id"] for row in self._db.rows(sql.LAST_ATTEMPT, test)), None)

    def open_ms(self) -> Mapping[str, int]:
        """Return what all gateways of this invocation have set aside by now, by attempt."""
        found = self._db.rows(sql.OPEN_OF_INVOCATION, {"invocation": self._invocation.id})
        return {row["attempt"]: row["ms"] for row in found}

    def close(self) -> None:
        self._db.close()

    def _insert(self, statement: str, row: Mapping[str, Any]) -> None:
        with self.together():
            self._db.insert(statement, row)

    def _insert_lease(self, granted: Granted, attempt: Attempt, taken_at: datetime) -> Lease:
        lease = _lease_of(granted)
        self._db.insert(sql.INSERT_LEASE, self._row_of(lease, attempt, taken_at))
        self._budgets.leased(lease, attempt, taken_at.date())
        return lease

    def _row_of(self, lease: Lease, attempt: Attempt, taken_at: datetime) -> dict[str, Any]:
        return {
            "id": lease.id,
            "run": self._invocation.run,
            "attempt": attempt.id,
            "scope": lease.time_limit.scope,
            "ms": lease.allowance_ms,
            "micro_usd": lease.micro_usd,
            "currency": used_up_first(lease, self._highest_price),
            "taken_at": write_instant(taken_at),
            "ends_at": write_instant(taken_at + timedelta(milliseconds=lease.allowance_ms)),
            "gateway": self._gateway,
        }


def _settled(lease: str, ms: int, micro_usd: int | None) -> dict[str, Any]:
    return {"lease": lease, "how": "settled", "ms": ms, "micro_usd": micro_usd, "at": utc_now()}


def _lease_of(granted: Granted) -> Lease:
    none = Limit(scope="test", allowed=granted.allowance_ms)
    return Lease(
        id=new_id(),
        allowance_ms=granted.allowance_ms,
        micro_usd=granted.micro_usd,
        time_limit=none if granted.time is None else granted.time.limit,
        money_limit=None if granted.money is None else granted.money.limit,
    )
