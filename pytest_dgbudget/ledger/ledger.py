"""What is recorded in the ledger and asked of it, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.instants import utc_now, write_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.closed_sums import ClosedSums
from pytest_dgbudget.ledger.connection import LEASES, Connection, served, under_way
from pytest_dgbudget.ledger.facts import KnownAttempt, RunFacts
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.overruns import cut_columns, refusal_columns
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.scopes import days_of, scope_of_day, scope_of_path, scope_of_run, scope_of_test
from pytest_dgbudget.ledger.shared_budgets import NONE_SHARED, SharedBudgets
from pytest_dgbudget.ledger.shared_queue import SharedQueue
from pytest_dgbudget.ledger.statements import BilledLease, StatementRecords
from pytest_dgbudget.ledger.sums import Sum, SummedScope, Sums
from pytest_dgbudget.ledger.sweep import LeftLease, sweep
from pytest_dgbudget.ledger.upgrade import create_or_upgrade
from pytest_dgbudget.ledger.waiters import Queued, Serves
from pytest_dgbudget.model import (
    Attempt,
    Awaited,
    Bypass,
    Currency,
    Invocation,
    Lease,
    Limit,
    OtherTarget,
    Outcome,
    Overrun,
    Period,
    ScopeName,
    UsageRecord,
    WindowBudget,
)
from pytest_dgbudget.rules.attempts import was_cut
from pytest_dgbudget.rules.budget import Decision, Granted, Refused, Scope, Wait, decide, used_up_first
from pytest_dgbudget.rules.prices import price_of
from pytest_dgbudget.rules.statement_lag import StatementLag

# So many are added up in less than a millisecond.
_MANY_LEASES = 50


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
        self._shared = shared
        self._reader = LedgerReader(connection)
        self._sums = Sums(connection.version)
        self._closed_sums = ClosedSums(connection)
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
            self._close_sums()
            self._enter(takes_over=takes_over)

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
            left = {scope.currency: max(0, scope.left) for scope in self._scopes_of_test(attempt)}
            attempt = replace(attempt, left_ms=left.get("time"), cost_left_micro_usd=left.get("money"))
            self._db.execute(
                sql.INSERT_ATTEMPT, {**asdict(attempt), "invocation": self._invocation.id, "at": utc_now()}
            )
        return attempt

    def lease(self, attempt: Attempt) -> Lease | Wait | Refused:
        """Take a lease if every budget allows it now."""
        with self.together():
            self._db.exclude(LEASES)
            now = self._db.now()
            decision = self._decide(attempt, now)
            return self._insert_lease(decision, attempt, now) if isinstance(decision, Granted) else decision

    def lease_to_dial(
        self, attempt: Attempt, run_key: str | None = None, waiter: str | None = None
    ) -> tuple[Lease, str] | Queued | Refused:
        """Take a lease and a place when it is their turn, and record that the first session is about to be dialled.

        ``run_key`` is the key of the run's with which it will be. ``waiter`` names who asks, as often as it does: one
        that is queued asks again, or stops waiting; None: it asks once.
        """
        with self.together():
            self._db.exclude(LEASES)
            now = self._db.now()
            decision = self._queue.of_lease(attempt, waiter, partial(self._decide, attempt, now))
            if not isinstance(decision, Granted):
                return decision
            lease = self._insert_lease(decision, attempt, now)
            return lease, self.record_dial(lease, attempt.target, run_key)

    def further_dial(
        self, lease: Lease, attempt: Attempt, run_key: str | None = None, waiter: str | None = None
    ) -> str | Queued:
        """Take a place, and record that a further session of an open lease is about to be dialled; return its id."""
        with self.together():
            queued = self._queue.of_dial(attempt, waiter)
            return self.record_dial(lease, attempt.target, run_key) if queued is None else queued

    def stop_waiting(self, waiter: str) -> None:
        """Let those go first that wait for the same."""
        with self.together():
            self._queue.stop_waiting(waiter)

    def _decide(self, attempt: Attempt, now: datetime) -> Decision:
        return decide(self._scopes(attempt, now.date()), self._highest_price)

    def scopes(self, attempt: Attempt) -> list[Scope]:
        """Every budget that applies to an attempt now, the narrowest first."""
        return self._scopes(attempt, self._db.now().date())

    def _scopes(self, attempt: Attempt, today: date) -> list[Scope]:
        scopes = list(self._scopes_of_test(attempt))
        if attempt.target is None:
            scopes += (*self._scopes_of_path(attempt.path), *self._scopes_of_run(), *self._scopes_of_windows(today))
        return scopes

    def shared_scopes(self) -> list[Scope]:
        """The budgets of dgbudget.toml: of all paths, and windows."""
        of_paths = (scope for path in self._shared.paths for scope in self._scopes_of_path(path.glob))
        return [*of_paths, *self._scopes_of_windows(self._db.now().date())]

    def scopes_of_run(self) -> list[Scope]:
        """The budgets that all tests of the run share: its own, and windows."""
        return [*self._scopes_of_run(), *self._scopes_of_windows(self._db.now().date())]

    def _scopes_of_test(self, attempt: Attempt) -> Iterator[Scope]:
        scope = scope_of_test(self._invocation.id, attempt)
        return self._in_both_currencies("test", attempt.budget_ms, attempt.cost_budget_micro_usd, scope)

    def _scopes_of_path(self, glob: str | None) -> Iterator[Scope]:
        budget = self._shared.of_path(glob)
        if budget is not None:
            scope = scope_of_path(self._invocation.run, budget.glob)
            yield from self._in_both_currencies("path", budget.run_ms, budget.run_micro_usd, scope, budget.glob)

    def _scopes_of_run(self) -> Iterator[Scope]:
        invocation = self._invocation
        scope = scope_of_run(invocation.run)
        return self._in_both_currencies("run", invocation.budget_ms, invocation.cost_budget_micro_usd, scope)

    def _scopes_of_windows(self, today: date) -> Iterator[Scope]:
        for window in self._windows():
            sum_ = self._sum_of_window(window, today)
            yield self._scope("window", window.currency, window.allowed, sum_, window.period)

    def _in_both_currencies(
        self, name: ScopeName, ms: int | None, micro_usd: int | None, summed: SummedScope, label: str = ""
    ) -> Iterator[Scope]:
        allowed: dict[Currency, int | None] = {"time": ms, "money": micro_usd}
        for currency, amount in allowed.items():
            if amount is not None:
                sum_ = self._sums.of(summed.key, partial(self._closed_sums.add_up, summed))
                yield self._scope(name, currency, amount, sum_, label)

    def _scope(self, name: ScopeName, currency: Currency, allowed: int, sum_: Sum, label: str) -> Scope:
        micro_usd = sum_.settled_micro_usd + price_of(sum_.unpriced_ms, self._highest_price)
        cut_budget = sum_.cut_budget_ms if currency == "time" else sum_.cut_budget_micro_usd
        return Scope(
            name=name,
            currency=currency,
            label=label,
            allowed=allowed,
            settled=sum_.settled_ms if currency == "time" else micro_usd,
            leased=sum_.leased_ms if currency == "time" else sum_.leased_micro_usd,
            # A run may be given more by a later invocation: what cut a session of an earlier one is not its budget.
            was_cut=cut_budget is not None and allowed <= cut_budget,
            also_settled=None if currency == "time" else sum_.settled_ms,
        )

    def _windows(self) -> Sequence[WindowBudget]:
        return self._shared.windows if self._invocation.billed else ()

    def _sum_of_window(self, window: WindowBudget, today: date) -> Sum:
        days = days_of(window.period, today)
        return self._sums.of(_key_of(window.period, days), partial(self._closed_sums.add_up_days, days))

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
        """Record how a session ended, once, with all that it was made of.

        It may be recorded again when nobody knows whether that was in vain, since the connection was lost. Of a session
        that others took for lost, this is known better.
        """
        with self.together():
            if not self._insert_usage(record):
                return
            self._db.announce()  # its place is free
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
        """End a lease with what was metered, and what that costs; what it didn't use is free again.

        One that others have swept meanwhile stays as they have ended it: once.
        """
        end = {"lease": lease.id, "how": "settled", "ms": ms, "micro_usd": micro_usd, "at": utc_now()}
        with self.together():
            if self._db.execute(sql.END_LEASE, end):
                self._db.announce()
                self._sums.settled(lease, ms, micro_usd)
            else:
                self._sums.forget()

    def record_wait(self, attempt: Attempt, ms: int, waits_for: Awaited) -> None:
        self._insert(sql.INSERT_WAIT, {"attempt": attempt.id, "ms": ms, "waits_for": waits_for})

    def record_refusal(self, attempt: Attempt, overrun: Overrun, *, tolerated: bool, times: int = 1) -> None:
        """Record that a budget refused so many sessions; ``tolerated``: the user asked to skip such tests."""
        self._insert(
            sql.INSERT_REFUSAL,
            {
                **refusal_columns(overrun),
                "attempt": attempt.id,
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

    def _insert_usage(self, record: UsageRecord) -> bool:
        """Return whether this was not known yet."""
        row = {**_row(record), **cut_columns(record.overrun), "id": new_id(), "supersedes": None}
        if self._db.execute(sql.INSERT_USAGE, row):
            return True
        (known,) = self._db.rows(sql.LAST_USAGE, {"dial": record.dial})
        if known["closed_by"] == "gateway-lost" != record.closed_by:
            return bool(self._db.execute(sql.INSERT_USAGE, {**row, "supersedes": known["id"]}))
        if (known["closed_at"], known["ms"]) != (record.closed_at, record.ms):
            raise LedgerError(f"the ledger {self._db.name} has another end of session {record.dial} already")
        return False

    def _insert(self, statement: str, row: Mapping[str, Any]) -> None:
        with self.together():
            self._db.execute(statement, row)

    def _insert_lease(self, granted: Granted, attempt: Attempt, taken_at: datetime) -> Lease:
        lease = _lease_of(granted)
        row = {
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
        self._db.execute(sql.INSERT_LEASE, row)
        shared = [] if attempt.target is not None else list(self._shared_keys_of(attempt, taken_at.date()))
        self._sums.leased(lease, [scope_of_test(self._invocation.id, attempt).key, *shared])
        if any(self._sums.leases_of(key) > _MANY_LEASES for key in shared):
            self._close_long_sums()
        return lease

    def _shared_keys_of(self, attempt: Attempt, day: date) -> Iterator[str]:
        """Yield in which scopes a lease counts beyond its test's, where it is dialled as its run is."""
        yield scope_of_run(self._invocation.run).key
        if attempt.path is not None:
            yield scope_of_path(self._invocation.run, attempt.path).key
        yield from {_key_of(window.period, days_of(window.period, day)) for window in self._windows()}

    def _close_sums(self) -> None:
        """Close what has ended of this run, of its paths, and the days of its windows that are over."""
        run = self._invocation.run
        for scope in (scope_of_run(run), *(scope_of_path(run, path.glob) for path in self._shared.paths)):
            self._closed_sums.close(scope)
        today = self._db.now().date()
        days = {day for window in self._windows() for day in days_of(window.period, today)}
        for day in sorted(days - {today}):
            self._closed_sums.close_day(day)

    def _close_long_sums(self) -> None:
        """Others write all the time, so that what is not closed is added up for each lease."""
        self._closed_sums.note_ended()
        self._close_sums()
        if self._windows():
            self._closed_sums.close(scope_of_day(self._db.now().date()))
        self._sums.forget()

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


def _lease_of(granted: Granted) -> Lease:
    none = Limit(scope="test", allowed=granted.allowance_ms)
    return Lease(
        id=new_id(),
        allowance_ms=granted.allowance_ms,
        micro_usd=granted.micro_usd,
        time_limit=none if granted.time is None else granted.time.limit,
        money_limit=None if granted.money is None else granted.money.limit,
    )


def _key_of(period: Period, days: Sequence[date]) -> str:
    """Return the name of a window that stays the same for as long as it lasts."""
    return f"window:{period}:{days[0]}"
