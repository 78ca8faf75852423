"""One lease against every budget: granted, refused, or told to wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.model import Overrun, ScopeName
from pytest_dgbudget.rules.budget import (
    FLOOR_MS,
    LONGEST_SESSION_MS,
    Granted,
    Refused,
    Scope,
    Wait,
    decide,
    describe,
)
from pytest_dgbudget.rules.prices import price_of
from pytest_dgbudget.units import format_time

# Small numbers meet one another more often than large ones.
AMOUNTS_MS = st.integers(0, 3000) | st.integers(0, 10_000_000)
NAMES: list[ScopeName] = ["test", "run"]
TEN_YEARS_MS = 10 * 365 * 24 * 3_600_000
# Micro-dollars a minute.
PRICE = 163_000


def granted(allowance_ms: int, scope: Scope | None) -> Granted:
    """What a lease is where no budget in money applies."""
    return Granted(allowance_ms=allowance_ms, micro_usd=price_of(allowance_ms, PRICE), time=scope, money=None)


def scope_with(name: ScopeName, left_ms: int, settled_ms: int, leased_ms: int) -> Scope:
    return Scope(name=name, allowed=max(0, settled_ms + left_ms), settled=settled_ms, leased=leased_ms)


NOTHING = st.just(0)
SCOPES = st.builds(
    scope_with,
    st.sampled_from(NAMES),
    AMOUNTS_MS | st.integers(-3000, 1000),
    NOTHING | AMOUNTS_MS,
    NOTHING | AMOUNTS_MS,
)
UNSPENT_SCOPES = st.builds(
    scope_with,
    st.sampled_from(NAMES),
    st.integers(FLOOR_MS, 5000) | st.integers(FLOOR_MS, 10_000_000),
    NOTHING | AMOUNTS_MS,
    NOTHING | AMOUNTS_MS,
)
IDLE_SCOPES = st.builds(scope_with, st.sampled_from(NAMES), st.integers(1000, 5000), NOTHING | AMOUNTS_MS, NOTHING)


def is_spent(scope: Scope) -> bool:
    return scope.allowed == 0 or scope.allowed - scope.settled < min(1000, scope.allowed)


@given(st.lists(SCOPES, min_size=1, max_size=4))
def test_a_grant_never_exceeds_any_budget(scopes: list[Scope]) -> None:
    decision = decide(scopes, PRICE)
    if isinstance(decision, Granted):
        for scope in scopes:
            assert scope.settled + scope.leased + decision.allowance_ms <= scope.allowed


@given(st.lists(SCOPES, max_size=4))
def test_refused_exactly_when_a_budget_is_spent_however_much_is_leased(scopes: list[Scope]) -> None:
    decision = decide(scopes, PRICE)
    spent = [scope for scope in scopes if is_spent(scope)]
    assert decision == Refused(spent[0]) if spent else not isinstance(decision, Refused)


@given(st.lists(UNSPENT_SCOPES, min_size=1, max_size=4))
def test_waits_exactly_while_others_hold_what_is_wanted(scopes: list[Scope]) -> None:
    wanted = scopes[0].left
    held_by_others = any(scope.leased and scope.left - scope.leased < wanted for scope in scopes)
    assert isinstance(decide(scopes, PRICE), Wait) == held_by_others


@given(st.lists(IDLE_SCOPES, min_size=1, max_size=4))
def test_alone_it_gets_what_is_left_of_the_narrowest(scopes: list[Scope]) -> None:
    decision = decide(scopes, PRICE)
    narrowest = min(scopes, key=lambda scope: scope.left)
    assert decision == granted(narrowest.left, narrowest)


def test_without_any_budget_it_is_the_vendors_longest_session() -> None:
    assert decide([], PRICE) == granted(LONGEST_SESSION_MS, None)
    assert LONGEST_SESSION_MS == 2 * 60 * 60 * 1000


@given(allowed_ms=st.integers(1, 5000), overshoot_ms=st.integers(1, 5000), leased_ms=AMOUNTS_MS)
def test_an_overshoot_is_paid_off_before_anything_is_leased(allowed_ms: int, overshoot_ms: int, leased_ms: int) -> None:
    scope = Scope(name="run", allowed=allowed_ms, settled=allowed_ms + overshoot_ms, leased=leased_ms)
    assert decide([scope], PRICE) == Refused(scope)
    raised = Scope(name="run", allowed=scope.settled + FLOOR_MS, settled=scope.settled, leased=0)
    assert decide([raised], PRICE) == granted(FLOOR_MS, raised)


def test_a_test_waits_for_the_run_rather_than_take_less_than_its_own_budget() -> None:
    test = Scope(name="test", allowed=60_000, settled=0, leased=0)
    busy = Scope(name="run", allowed=100_000, settled=0, leased=60_000)
    idle = Scope(name="run", allowed=100_000, settled=60_000, leased=0)
    assert decide([test, busy], PRICE) == Wait(busy)
    assert decide([test, idle], PRICE) == granted(40_000, idle)


OVERRUNS = st.builds(
    Overrun,
    kind=st.sampled_from(["cut", "refused", "exceeded"]),
    scope=st.sampled_from(NAMES),
    used=st.integers(0, 2 * TEN_YEARS_MS),
    allowed=st.integers(0, TEN_YEARS_MS),
)


@given(OVERRUNS)
def test_an_overrun_fits_a_close_frame_and_says_which_how_much_and_what_to_do(overrun: Overrun) -> None:
    said = describe(overrun)
    assert len(said.encode()) <= 123
    assert said.startswith(f"{overrun.scope} budget of {format_time(overrun.allowed)} ")
    assert f"{format_time(overrun.used)} used" in said
    assert ("--dg-test-budget" if overrun.scope == "test" else "--dg-budget") in said
