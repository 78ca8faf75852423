"""Windows: what all billed runs of a ledger use in a day or a month, in UTC and by the ledger's clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.postgres import PostgresConnection
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.statements import BilledLease
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import Currency, Lease, Period, WindowBudget
from pytest_dgbudget.rules.budget import Refused, Scope
from pytest_dgbudget.rules.prices import price_of
from tests.support.ledger import HIGHEST_PRICE, leased, open_ledger, usage

from .conftest import Address

NOON = datetime(2026, 11, 14, 12, tzinfo=timezone.utc)
BEFORE_MIDNIGHT = datetime(2026, 11, 14, 23, 59, 59, 999_000, tzinfo=timezone.utc)
RUNS = frozenset(f"run-{number}" for number in range(99))
LAST_OF_MONTH = datetime(2026, 11, 30, 23, 59, 59, 999_000, tzinfo=timezone.utc)


def windows(*budgets: tuple[Period, Currency, int]) -> SharedBudgets:
    return SharedBudgets(windows=[WindowBudget(period=p, currency=c, allowed=allowed) for p, c, allowed in budgets])


DAY_OF_A_MINUTE = windows(("day", "time", 60_000))
BOTH = windows(("day", "time", 60_000), ("month", "money", 500_000))


class World:
    """A ledger and its clock; each run that opens it is billed unless told otherwise."""

    def __init__(self, address: Address, stack: ExitStack) -> None:
        self.address, self._stack = address, stack
        self.now = NOON
        self.count = 0

    def run(self, shared: SharedBudgets = DAY_OF_A_MINUTE, **fields: Any) -> Ledger:
        self.count += 1
        known: dict[str, Any] = {"id": f"invocation-{self.count}", "run": f"run-{self.count}", "budget_ms": None}
        ledger = open_ledger(
            self.address, shared=shared, live=RUNS, **{"target": "live", "billed": True, **known, **fields}
        )
        self._stack.callback(ledger.close)
        return ledger


@pytest.fixture
def world(address: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with ExitStack() as stack:
        world = World(address, stack)
        for backend in (SqliteConnection, PostgresConnection):
            monkeypatch.setattr(backend, "now", lambda _: world.now)
        yield world


def take(ledger: Ledger, ms: int = 30_000) -> Lease:
    return leased(ledger, ledger.begin_attempt(f"takes {ms}", "", ms))


def spend(ledger: Ledger, ms: int, micro_usd: int | None = 0) -> Lease:
    lease = take(ledger, ms)
    ledger.record_usage(usage(ledger.record_dial(lease), ms))
    ledger.settle(lease, ms, micro_usd)
    return lease


def of_window(ledger: Ledger, period: str = "day") -> Scope:
    scopes = ledger.scopes(ledger.begin_attempt("asks", "", None))
    return next(scope for scope in scopes if (scope.name, scope.label) == ("window", period))


def test_every_billed_run_of_the_ledger_counts_whoever_began_it(world: World) -> None:
    spend(world.run(), 20_000)
    first = world.run()
    take(first, 15_000)
    scope = of_window(world.run())
    assert (scope.settled, scope.leased, scope.allowed) == (20_000, 15_000, 60_000)


def test_what_is_taken_after_a_clock_was_set_back_over_midnight_counts(world: World) -> None:
    """A machine that began while its clock was ahead has closed nothing for good that is not over."""
    shared = windows(("day", "time", 60_000), ("month", "time", 90_000))
    spend(world.run(shared), 5_000)
    world.now = NOON + timedelta(hours=13)
    world.run(shared)
    world.now = NOON
    spend(world.run(shared), 20_000)
    assert [of_window(world.run(shared), period).settled for period in ("day", "month")] == [25_000, 25_000]
    world.now = NOON + timedelta(hours=13)
    assert of_window(world.run(shared), "month").settled == 25_000


@pytest.mark.parametrize("fields", [{"target": "emulator", "billed": False}, {"target": "rehearsal", "billed": False}])
def test_what_is_not_billed_changes_no_window_and_is_bounded_by_none(world: World, fields: dict[str, Any]) -> None:
    unbilled = world.run(BOTH, **fields)
    spend(unbilled, 70_000, 400_000)
    assert [scope.name for scope in unbilled.scopes(unbilled.begin_attempt("asks", "", 1000))] == ["test"]
    assert of_window(world.run()).settled == 0


def test_what_a_live_run_dials_at_the_emulator_changes_no_window(world: World) -> None:
    ledger = world.run()
    lease = leased(ledger, ledger.begin_attempt("t", "", 30_000, "emulator"))
    assert of_window(ledger).leased == 0
    ledger.settle(lease, 30_000, 0)
    assert of_window(ledger).settled == 0


def test_a_lease_waits_for_what_another_run_holds_of_a_window_and_takes_what_is_left(world: World) -> None:
    first, second = world.run(), world.run()
    held = take(first, 40_000)
    attempt = second.begin_attempt("t", "", 30_000)
    assert second.lease(attempt) == Queued("window", "window")
    first.settle(held, 38_000, 0)
    lease = leased(second, attempt)
    assert (lease.allowance_ms, lease.time_limit.scope, lease.time_limit.label) == (22_000, "window", "day")


def test_a_window_that_is_spent_refuses_and_says_which(world: World) -> None:
    spend(world.run(), 59_500)
    ledger = world.run()
    refused = ledger.lease(ledger.begin_attempt("t", "", 30_000))
    assert isinstance(refused, Refused)
    assert (refused.scope.name, refused.scope.label, refused.scope.settled) == ("window", "day", 59_500)


@pytest.mark.parametrize(
    ("shared", "last"), [(DAY_OF_A_MINUTE, BEFORE_MIDNIGHT), (windows(("month", "time", 60_000)), LAST_OF_MONTH)]
)
def test_a_lease_belongs_whole_to_the_window_in_which_it_was_taken(
    world: World, shared: SharedBudgets, last: datetime
) -> None:
    world.now = last
    period = shared.windows[0].period
    before, after = world.run(shared), world.run(shared)
    held = take(before, 40_000)
    world.now += timedelta(milliseconds=1)
    assert of_window(after, period).leased == 0
    taken = take(after, 50_000)
    before.settle(held, 40_000, 0)
    assert (of_window(after, period).settled, of_window(after, period).leased) == (0, 50_000)
    after.settle(taken, 10_000, 0)
    assert of_window(before, period).settled == 10_000


def test_a_month_has_all_of_its_days_and_nothing_of_the_next(world: World) -> None:
    shared = windows(("month", "time", 10**9), ("month", "money", 10**12))
    for day in (1, 13, 14, 30):
        world.now = datetime(2026, 11, day, 9, tzinfo=timezone.utc)
        spend(world.run(shared), 1000 * day, day)
    ledger = world.run(shared)
    of_time, of_money = (s for s in ledger.scopes(ledger.begin_attempt("t", "", None)) if s.name == "window")
    assert (of_time.settled, of_money.settled) == (58_000, 58)
    world.now = datetime(2026, 12, 1, tzinfo=timezone.utc)
    assert of_window(world.run(shared), "month").settled == 0


def test_what_has_no_price_counts_at_the_highest_of_todays_table(world: World) -> None:
    spend(world.run(BOTH), 30_000, None)
    spend(world.run(BOTH), 6000, 7500)
    assert of_window(world.run(BOTH), "month").settled == 7500 + price_of(30_000, HIGHEST_PRICE)


@pytest.mark.parametrize("days", [0, 1], ids=["the same day", "a day that is closed"])
def test_once_the_statement_has_a_figure_the_window_counts_that_and_the_run_its_own(world: World, days: int) -> None:
    ledger = world.run(BOTH, budget_ms=90_000, cost_budget_micro_usd=900_000)
    lease = spend(ledger, 30_000, 37_500)
    spend(ledger, 6000, 7500)
    world.now += timedelta(days=days)
    assert of_window(world.run(BOTH), "month").settled == 45_000
    for billed in (BilledLease(31_000, 40_000), BilledLease(None, 41_000)):
        ledger.record_reconciliation({"verdict": "pending"}, billed={lease.id: billed})
    assert of_window(world.run(BOTH), "month").settled == 48_500
    of_run = {s.currency: s.settled for s in ledger.scopes(ledger.begin_attempt("t", "", None)) if s.name == "run"}
    assert of_run == {"time": 36_000, "money": 45_000}


def gone(number: int) -> Iterator[str]:
    """Yield what removes a lease and all that hangs on it."""
    of_lease = f"(SELECT id FROM lease WHERE number = {number})"
    for table in ("welcome", "usage", "tier_span", "turn", "violation"):
        yield f"DELETE FROM {table} WHERE dial IN (SELECT id FROM dial WHERE lease IN {of_lease})"
    for table in ("dial", "lease_end"):
        yield f"DELETE FROM {table} WHERE lease IN {of_lease}"
    yield f"DELETE FROM lease WHERE number = {number}"


def test_of_days_that_are_over_one_row_each_is_read(world: World) -> None:
    shared = windows(("month", "time", 10**9))
    for day in (1, 2, 14):
        world.now = datetime(2026, 11, day, 9, tzinfo=timezone.utc)
        spend(world.run(shared), 1000 * day)
    world.now += timedelta(hours=1)
    world.run(shared).close()
    with closing(open_connection(world.address, None, durable=False)) as connection:
        for number in (1, 2):
            for statement in gone(number):
                connection.execute(statement, {})
    assert of_window(world.run(shared), "month").settled == 17_000


def test_a_day_with_an_open_lease_is_closed_only_when_that_has_ended(world: World) -> None:
    shared = windows(("month", "time", 10**9))
    first = world.run(shared)
    held = take(first, 20_000)
    world.now += timedelta(days=1)
    assert of_window(world.run(shared), "month").leased == 20_000
    first.settle(held, 5000, 0)
    for _ in range(2):
        scope = of_window(world.run(shared), "month")
        assert (scope.settled, scope.leased) == (5000, 0)


KINDS = ["spend", "take", "settle", "wait", "begin"]
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 40)), max_size=25)


@given(steps=STEPS)
def test_no_window_is_ever_promised_twice_and_all_runs_see_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        world = World(tmp_path_factory.mktemp("ledger") / "ledger.db", stack)
        world.now = datetime(2026, 11, 29, 20, tzinfo=timezone.utc)
        patch.setattr(SqliteConnection, "now", lambda _: world.now)
        shared = windows(("day", "time", 100_000), ("month", "money", 400_000))
        runs, held = [world.run(shared)], list[tuple[Ledger, Lease]]()
        for what, number in steps:
            ledger = runs[number % len(runs)]
            if what == "begin" and len(runs) < 4:
                runs.append(world.run(shared))
            elif what == "wait":
                world.now += timedelta(hours=number)
            elif what == "settle" and held:
                _settle(*held.pop(number % len(held)), number)
            elif what in {"take", "spend"} and isinstance(taken := _asked(ledger, number), Lease):
                held.append((ledger, taken))
                if what == "spend":
                    _settle(*held.pop(), number)
            seen = {tuple((s.settled, s.leased) for s in _windows(ledger)) for ledger in runs}
            assert len(seen) == 1
            assert all(scope.settled + scope.leased <= scope.allowed for scope in _windows(runs[0]))


def _windows(ledger: Ledger) -> list[Scope]:
    return [scope for scope in ledger.scopes(ledger.begin_attempt("asks", "", None)) if scope.name == "window"]


def _asked(ledger: Ledger, number: int) -> object:
    return ledger.lease(ledger.begin_attempt(f"t{number}", "", number * 1000))


def _settle(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.settle(lease, lease.allowance_ms * min(number, 40) // 40, lease.micro_usd * min(number, 40) // 40)


def test_what_the_statement_says_once_more_is_recorded_once(world: World) -> None:
    ledger = world.run(BOTH)
    lease = spend(ledger, 30_000, 37_500)
    for billed in (BilledLease(31_000, 40_000), BilledLease(31_000, 40_000), BilledLease(31_000, 41_000)):
        ledger.record_reconciliation({"verdict": "pending"}, billed={lease.id: billed})
    rows = ledger._db.rows("SELECT micro_usd FROM billed ORDER BY seq", {})
    assert [row["micro_usd"] for row in rows] == [40_000, 41_000]
