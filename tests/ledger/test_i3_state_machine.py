"""I3 on the real ledger: gateways of several runs share one file, and whatever they do, no budget is promised twice.

The machine plays the gateways by the pure rules, and keeps books of its own. After every step, the file itself must say
the same as the books.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger import ledger as ledger_module
from pytest_dgbudget.ledger.closed_sums import ClosedSums
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.scopes import scope_of_run
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import Attempt, Invocation, Lease
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.rules.budget import LONGEST_SESSION_MS, Refused
from pytest_dgbudget.rules.meter import LeaseMeter
from tests.support.ledger import HIGHEST_PRICE, usage

# The machine's own books ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Test:
    """What a test's budget is for: all attempts of it in one invocation."""

    __test__ = False
    invocation: str
    nodeid: str
    worker: str


@dataclass(eq=False, kw_only=True)
class Booked:
    """One lease. ``sessions`` has what was metered of each; None while nobody saw its end.

    ``overslept``: its gateway stood still when it should have closed them.
    """

    run: str
    test: Test
    allowance_ms: int
    sessions: dict[str, int | None] = field(default_factory=dict)
    overslept: bool = False
    how: Literal["settled", "orphaned"] | None = None
    ended_ms: int = 0
    stated_ms: int | None = None

    @property
    def charged_ms(self) -> int:
        if self.how is None:
            return self.allowance_ms
        return self.ended_ms if self.stated_ms is None else self.stated_ms

    @property
    def seen_ms(self) -> int:
        return sum(ms for ms in self.sessions.values() if ms is not None)


@dataclass
class Scope:
    """A budget by the books."""

    allowed_ms: int
    settled_ms: int
    leased_ms: int

    @property
    def free_ms(self) -> int:
        return self.allowed_ms - self.settled_ms - self.leased_ms

    @property
    def is_spent(self) -> bool:
        left_ms = self.allowed_ms - self.settled_ms
        return left_ms <= 0 or left_ms < min(1000, self.allowed_ms)


@dataclass(eq=False)
class Held:
    """A lease in the hands of its gateway, and when each session was dialled."""

    lease: Lease
    booked: Booked
    meter: LeaseMeter
    dialled_ms: dict[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class Gateway:
    """``ahead_ms``: its monotonic clock began elsewhere. ``writes``: its ledger can be reached."""

    invocation: Invocation
    ledger: Ledger
    ahead_ms: int
    attempts: dict[Test, Attempt] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    writes: bool = True


BUDGETS_MS = st.sampled_from([0, 1, 999, 1000, 1001]) | st.integers(1000, 12_000)
NODEIDS = ["test_a", "test_b", "test_c"]
WORKERS = ["", "", "", "gw1"]
WITHOUT_BUDGET = "without"
RUNS = ["run", "run", "other", WITHOUT_BUDGET]
WHICH = st.integers(0, 11)
LONGEST_STALL_MS = 20_000


def is_served(machine: SharedLedger) -> bool:
    return bool(machine.gateways)


def has_room(machine: SharedLedger) -> bool:
    return len(machine.gateways) < 3


class SharedLedger(RuleBasedStateMachine):
    """Gateways come, spend and go. Those of one run follow one another, or serve it together as shards."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.now_ms = 1_000_000
        self.wall_clock = datetime(2026, 11, 2, tzinfo=timezone.utc)
        self.gateways: list[Gateway] = []
        self.dead: list[Gateway] = []
        self.leases: dict[str, Booked] = {}
        self.attempts: Counter[Test] = Counter()
        self.invocations = 0
        self.highest_budget_ms: dict[str, int] = {}
        self.patches = ExitStack()
        self.patches.enter_context(
            patch.object(ledger_module, "utc_now", lambda: self.wall_clock.isoformat(timespec="milliseconds"))
        )
        self.patches.enter_context(patch.object(SqliteConnection, "now", lambda _: self.wall_clock))

    def teardown(self) -> None:
        for gateway in self.gateways + self.dead:
            gateway.ledger.close()
        self.patches.close()
        if hasattr(self, "file"):
            self.file.close()
            self.connection.close()
        self.folder.cleanup()

    # Gateways come and go ---------------------------------------------------------------------------------------------

    @initialize(tests_ms=st.lists(st.none() | BUDGETS_MS, min_size=3, max_size=3), budget_ms=BUDGETS_MS)
    def begin(self, tests_ms: list[int | None], budget_ms: int) -> None:
        self.test_budgets_ms = dict(zip(NODEIDS, tests_ms, strict=True))
        self.start("run", 2 * budget_ms, 0)
        self.file = sqlite3.connect(self.path)
        self.connection = SqliteConnection(self.path, durable=False)

    @precondition(has_room)
    @rule(
        run=st.sampled_from(RUNS),
        budget_ms=BUDGETS_MS | BUDGETS_MS.map(lambda ms: 3 * ms),
        ahead_ms=st.integers(0, 10**9),
    )
    def start(self, run: str, budget_ms: int, ahead_ms: int) -> None:
        """Begin another invocation; each gives its run a budget of its own."""
        self.invocations += 1
        invocation = Invocation(
            id=f"invocation-{self.invocations}",
            run=run,
            target="emulator",
            billed=False,
            tag=f"dgbudget-{run}",
            budget_ms=None if run == WITHOUT_BUDGET else budget_ms,
            host="here",
            pid=1,
        )
        self.highest_budget_ms[run] = max(budget_ms, self.highest_budget_ms.get(run, 0))
        self._serve(invocation, ahead_ms, takes_over=False)

    @precondition(lambda self: self.dead and has_room(self))
    @rule(which=WHICH)
    def take_over(self, which: int) -> None:
        """Another gateway of the same invocation stands in for one that died."""
        died = self.dead[which % len(self.dead)]
        if died.invocation not in [gateway.invocation for gateway in self.gateways]:
            self._serve(died.invocation, died.ahead_ms, takes_over=True)

    def _serve(self, invocation: Invocation, ahead_ms: int, *, takes_over: bool) -> None:
        ledger = Ledger(SqliteConnection(self.path, durable=False), invocation, HIGHEST_PRICE)
        live = {gateway.invocation.run for gateway in self.gateways}
        ledger.begin(lambda lease: lease.run in live, lambda run, gateway: run in live, takes_over=takes_over)
        for booked in self.leases.values():
            if booked.how is None and booked.run not in live:
                is_lost = None in booked.sessions.values()
                booked.how = "orphaned" if is_lost else "settled"
                booked.ended_ms = max(booked.allowance_ms, booked.seen_ms) if is_lost else booked.seen_ms
        self.gateways.append(Gateway(invocation, ledger, ahead_ms))

    @precondition(is_served)
    @rule(which=WHICH, nodeid=st.sampled_from(NODEIDS), when=st.sampled_from(["idle", "leased", "dialled", "ended"]))
    def crash(self, which: int, nodeid: str, when: str) -> None:
        """Kill a gateway, between any two of its writes."""
        gateway = self._gateway(which)
        if gateway.writes and when == "leased":
            self._lease(gateway, self._attempt(gateway, nodeid, ""))
        elif gateway.writes and when == "dialled":
            self.connect(which, nodeid, "")
        elif gateway.writes and when == "ended":
            for held in gateway.held.values():
                for dial in list(held.dialled_ms):
                    self._end_session(gateway, held, dial, self._now_ms(gateway))
        self.gateways.remove(gateway)
        self.dead.append(gateway)

    @precondition(is_served)
    @rule(which=WHICH)
    def finish(self, which: int) -> None:
        """Close everything, settle and go, as far as the ledger can be reached."""
        gateway = self._gateway(which)
        for held in list(gateway.held.values()):
            self._close_all(gateway, held, self._now_ms(gateway))
        if gateway.writes:
            gateway.ledger.end_invocation(0)
        gateway.ledger.close()
        self.gateways.remove(gateway)

    @precondition(is_served)
    @rule(which=WHICH)
    def lose_the_ledger(self, which: int) -> None:
        """Nothing can be written any more: what is open closes and stays on the books as it is."""
        gateway = self._gateway(which)
        gateway.ledger.close()
        gateway.writes = False
        gateway.held.clear()

    @precondition(lambda self: self.dead)
    @rule(which=WHICH)
    def come_back(self, which: int) -> None:
        """A gateway that was taken for dead ends nothing that others have ended."""
        gateway = self.dead[which % len(self.dead)]
        for held in gateway.held.values():
            if held.booked.how is not None and gateway.writes:
                gateway.ledger.settle(held.lease, 1)

    # Tests spend ------------------------------------------------------------------------------------------------------

    @precondition(is_served)
    @rule(which=WHICH, nodeid=st.sampled_from(NODEIDS), worker=st.sampled_from(WORKERS))
    def connect(self, which: int, nodeid: str, worker: str) -> None:
        """Open a session, the first of a test or one more."""
        gateway = self._gateway(which)
        attempt = self._attempt(gateway, nodeid, worker)
        if attempt is None:
            return
        held = gateway.held.get(attempt.id) or self._lease(gateway, attempt)
        if held is not None:
            dial = gateway.ledger.record_dial(held.lease)
            held.booked.sessions[dial] = None
            held.dialled_ms[dial] = self._now_ms(gateway)
            held.meter.opened(self._now_ms(gateway))

    @precondition(is_served)
    @rule(which=WHICH, nodeid=st.sampled_from(NODEIDS))
    def rerun(self, which: int, nodeid: str) -> None:
        """Begin the next attempt of a test; sessions of the last one may still be closing."""
        gateway = self._gateway(which)
        gateway.attempts.pop(Test(gateway.invocation.id, nodeid, ""), None)
        self._attempt(gateway, nodeid, "")

    @precondition(is_served)
    @rule(which=WHICH, nodeid=st.sampled_from(NODEIDS))
    def leave(self, which: int, nodeid: str) -> None:
        """Take a lease for a client that is gone before anything was dialled."""
        gateway = self._gateway(which)
        attempt = self._attempt(gateway, nodeid, "")
        if attempt is not None and attempt.id not in gateway.held:
            held = self._lease(gateway, attempt)
            if held is not None:
                self._settle(gateway, held)

    @precondition(lambda self: any(gateway.held for gateway in self.gateways))
    @rule(which=WHICH, late_ms=st.just(0) | st.integers(1, 100))
    def close_one(self, which: int, late_ms: int) -> None:
        """Close a session; that it is closed may be found out a little later."""
        open_ones = [(g, held, dial) for g in self.gateways for held in g.held.values() for dial in held.dialled_ms]
        gateway, held, dial = open_ones[which % len(open_ones)]
        at_ms = max(held.dialled_ms[dial], self._now_ms(gateway) - late_ms)
        self._end_session(gateway, held, dial, at_ms)
        if not held.dialled_ms:
            self._settle(gateway, held)

    # Time passes ------------------------------------------------------------------------------------------------------

    @rule(passed_ms=st.integers(0, 8000), lag_ms=st.integers(0, 300))
    def time_passes(self, passed_ms: int, lag_ms: int) -> None:
        """Sessions get their Close at the deadline; the vendor answers it after a while, or they are aborted."""
        for gateway in self.gateways:
            self._cut(gateway, self._now_ms(gateway) + passed_ms, lag_ms)
        self._pass(passed_ms)

    @precondition(is_served)
    @rule(which=WHICH, passed_ms=st.integers(0, LONGEST_STALL_MS), lag_ms=st.integers(0, 300))
    def stand_still(self, which: int, passed_ms: int, lag_ms: int) -> None:
        """The machine stops one gateway, while time passes for the others."""
        stopped = self._gateway(which)
        for gateway in self.gateways:
            if gateway is not stopped:
                self._cut(gateway, self._now_ms(gateway) + passed_ms, lag_ms)
        self._pass(passed_ms)
        for held in list(stopped.held.values()):
            if held.meter.deadline_ms() <= self._now_ms(stopped):
                held.booked.overslept = True
                self._close_all(stopped, held, self._now_ms(stopped))

    @rule(by=st.integers(-7200, 7200))
    def set_the_wall_clock(self, by: int) -> None:
        self.wall_clock += timedelta(seconds=by)

    # What others say --------------------------------------------------------------------------------------------------

    @precondition(lambda self: any(gateway.writes for gateway in self.gateways))
    @rule(which=WHICH, share=st.floats(0, 1.5))
    def state(self, which: int, share: float) -> None:
        """The vendor's statement has what an orphaned lease really came to."""
        orphaned = [id_ for id_, each in self.leases.items() if each.how == "orphaned" and each.stated_ms is None]
        if orphaned:
            booked = self.leases[orphaned[which % len(orphaned)]]
            booked.stated_ms = int(booked.allowance_ms * share)
            gateway = next(gateway for gateway in self.gateways if gateway.writes)
            gateway.ledger.record_reconciliation(
                {"verdict": "pending"}, {orphaned[which % len(orphaned)]: booked.stated_ms}
            )

    @precondition(lambda self: any(gateway.writes for gateway in self.gateways))
    @rule(which=WHICH)
    def report(self, which: int) -> None:
        """The report has what the books have, and nothing for what nobody saw."""
        writing = [gateway for gateway in self.gateways if gateway.writes]
        gateway = writing[which % len(writing)]
        document = usage_document(gateway.ledger.facts())
        leases = [each for each in self.leases.values() if each.run == gateway.invocation.run]
        assert document["run"]["used_seconds"] * 1000 == pytest.approx(sum(each.charged_ms for each in leases))
        unseen = [each for each in leases if each.how != "settled" and each.stated_ms is None]
        at_risk_ms = sum(max(0, each.charged_ms - each.seen_ms) for each in unseen)
        assert document["run"]["at_risk_seconds"] * 1000 == pytest.approx(at_risk_ms)
        seconds = {id_: None if ms is None else ms / 1000 for each in leases for id_, ms in each.sessions.items()}
        assert {session["id"]: session["seconds"] for session in document["sessions"]} == seconds

    # What must hold ---------------------------------------------------------------------------------------------------

    @invariant()
    def the_file_says_what_the_books_say(self) -> None:
        rows = self._rows(
            """SELECT lease.id, lease.ms, lease_end.how, COALESCE(lease_end.ms, 0), stated.ms
               FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id
               LEFT JOIN stated ON stated.lease = lease.id"""
        )
        booked = [(id_, b.allowance_ms, b.how, b.ended_ms, b.stated_ms) for id_, b in self.leases.items()]
        assert sorted(rows) == sorted(booked)

    @invariant()
    def i3_settled_and_leased_exceed_no_budget_but_by_what_was_overshot(self) -> None:
        for budget_ms, leases in self._scopes():
            overshot_ms = sum(max(0, each.charged_ms - each.allowance_ms) for each in leases)
            assert sum(each.charged_ms for each in leases) - overshot_ms <= budget_ms
            for each in leases:
                assert each.charged_ms <= each.allowance_ms or each.overslept or each.stated_ms is not None

    @invariant()
    def i3_a_run_has_used_the_same_whatever_of_it_is_closed(self) -> None:
        for run in self.highest_budget_ms:
            of_run = ClosedSums(self.connection).add_up(scope_of_run(run))
            booked = self._sum_of_run(run)
            assert (of_run.settled_ms, of_run.leased_ms) == (booked.settled_ms, booked.leased_ms)

    @invariant()
    def i6_what_nobody_saw_the_end_of_is_charged_in_full(self) -> None:
        rows = self._rows(
            """SELECT lease.ms, lease_end.how, lease_end.ms,
                      (SELECT COALESCE(SUM(usage.ms), 0) FROM usage JOIN dial ON usage.dial = dial.id
                       WHERE dial.lease = lease.id),
                      (SELECT COUNT(*) FROM dial LEFT JOIN usage ON usage.dial = dial.id
                       WHERE dial.lease = lease.id AND usage.ms IS NULL)
               FROM lease JOIN lease_end ON lease_end.lease = lease.id"""
        )
        for allowance_ms, how, charged_ms, seen_ms, unseen in rows:
            assert how == ("orphaned" if unseen else "settled")
            assert charged_ms >= (max(allowance_ms, seen_ms) if unseen else seen_ms)

    # How it is done ---------------------------------------------------------------------------------------------------

    def _gateway(self, which: int) -> Gateway:
        return self.gateways[which % len(self.gateways)]

    def _now_ms(self, gateway: Gateway) -> int:
        return self.now_ms + gateway.ahead_ms

    def _pass(self, passed_ms: int) -> None:
        self.now_ms += passed_ms
        self.wall_clock += timedelta(milliseconds=passed_ms)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.file.execute(sql).fetchall()

    def _attempt(self, gateway: Gateway, nodeid: str, worker: str) -> Attempt | None:
        """Return the attempt of a test that runs now; None where the ledger can't tell, and then it says so."""
        test = Test(gateway.invocation.id, nodeid, worker)
        if not gateway.writes:
            with pytest.raises(LedgerError):
                gateway.ledger.begin_attempt(nodeid, worker, None)
            return None
        if test not in gateway.attempts:
            budget_ms = self.test_budgets_ms[nodeid]
            attempt = gateway.ledger.begin_attempt(nodeid, worker, budget_ms)
            self.attempts[test] += 1
            assert attempt.number == self.attempts[test]
            settled_ms = self._sum(lambda booked: booked.test == test).settled_ms
            assert attempt.left_ms == (None if budget_ms is None else max(0, budget_ms - settled_ms))
            gateway.attempts[test] = attempt
        return gateway.attempts[test]

    def _lease(self, gateway: Gateway, attempt: Attempt | None) -> Held | None:
        """Ask for a lease; the books say beforehand what the answer must be."""
        if attempt is None:
            return None
        test = Test(gateway.invocation.id, attempt.nodeid, attempt.worker)
        scopes = self._scopes_of(gateway, test, attempt.budget_ms)
        answer = gateway.ledger.lease(attempt)
        if any(scope.is_spent for scope in scopes):
            assert isinstance(answer, Refused)
            return None
        wanted_ms = scopes[0].allowed_ms - scopes[0].settled_ms if scopes else LONGEST_SESSION_MS
        if any(scope.leased_ms > 0 and scope.free_ms < wanted_ms for scope in scopes):
            assert isinstance(answer, Queued)
            return None
        assert isinstance(answer, Lease)
        assert answer.allowance_ms == min([wanted_ms, *(scope.free_ms for scope in scopes)])
        booked = Booked(run=gateway.invocation.run, test=test, allowance_ms=answer.allowance_ms)
        self.leases[answer.id] = booked
        held = gateway.held[attempt.id] = Held(answer, booked, LeaseMeter(allowance_ms=answer.allowance_ms))
        return held

    def _cut(self, gateway: Gateway, until_ms: int, lag_ms: int) -> None:
        """Close what reaches its deadline by then: answered after the lag, or aborted in time."""
        for held in list(gateway.held.values()):
            if held.dialled_ms and held.meter.deadline_ms() <= until_ms:
                answered_ms = held.meter.deadline_ms() + lag_ms
                self._close_all(gateway, held, min(answered_ms, held.meter.abort_ms()))

    def _close_all(self, gateway: Gateway, held: Held, at_ms: int) -> None:
        for dial in list(held.dialled_ms):
            self._end_session(gateway, held, dial, max(at_ms, held.dialled_ms[dial]))
        self._settle(gateway, held)

    def _end_session(self, gateway: Gateway, held: Held, dial: str, at_ms: int) -> None:
        held.meter.closed(at_ms)
        ms = at_ms - held.dialled_ms.pop(dial)
        held.booked.sessions[dial] = ms
        gateway.ledger.record_usage(usage(dial, ms))

    def _settle(self, gateway: Gateway, held: Held) -> None:
        gateway.ledger.settle(held.lease, held.meter.used_ms)
        held.booked.how, held.booked.ended_ms = "settled", held.meter.used_ms
        gateway.held = {attempt: other for attempt, other in gateway.held.items() if other is not held}

    def _scopes_of(self, gateway: Gateway, test: Test, budget_ms: int | None) -> list[Scope]:
        """The budgets that apply to an attempt, by the books, the test's own first."""
        scopes = []
        if budget_ms is not None:
            scopes.append(self._sum(lambda booked: booked.test == test, budget_ms))
        if gateway.invocation.budget_ms is not None:
            scopes.append(self._sum_of_run(gateway.invocation.run, gateway.invocation.budget_ms))
        return scopes

    def _sum_of_run(self, run: str, allowed_ms: int = 0) -> Scope:
        return self._sum(lambda booked: booked.run == run, allowed_ms)

    def _sum(self, belongs: Callable[[Booked], bool], allowed_ms: int = 0) -> Scope:
        of_scope = [booked for booked in self.leases.values() if belongs(booked)]
        return Scope(
            allowed_ms,
            settled_ms=sum(booked.charged_ms for booked in of_scope if booked.how is not None),
            leased_ms=sum(booked.allowance_ms for booked in of_scope if booked.how is None),
        )

    def _scopes(self) -> Iterator[tuple[int, list[Booked]]]:
        """Every budget there is, and the leases that count in it; of a run, the highest that it was ever given."""
        for test in {booked.test for booked in self.leases.values()}:
            budget_ms = self.test_budgets_ms[test.nodeid]
            if budget_ms is not None:
                yield budget_ms, [booked for booked in self.leases.values() if booked.test == test]
        for run, budget_ms in self.highest_budget_ms.items():
            if run != WITHOUT_BUDGET:
                yield budget_ms, [booked for booked in self.leases.values() if booked.run == run]


TestI3SharedLedger = SharedLedger.TestCase
TestI3SharedLedger.settings = settings(stateful_step_count=40)
