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
from pytest_dgbudget.units import format_time

# Small numbers meet one another more often than large ones.
AMOUNTS_MS = st.integers(0, 3000) | st.integers(0, 10_000_000)
NAMES: list[ScopeName] = ["test", "run"]
TEN_YEARS_MS = 10 * 365 * 24 * 3_600_000


def scope_with(name: ScopeName, left_ms: int, settled_ms: int, leased_ms: int) -> Scope:
    return Scope(name=name, allowed_ms=max(0, settled_ms + left_ms), settled_ms=settled_ms, leased_ms=leased_ms)


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
    return scope.allowed_ms == 0 or scope.allowed_ms - scope.settled_ms < min(1000, scope.allowed_ms)


@given(st.lists(SCOPES, min_size=1, max_size=4))
def test_a_grant_never_exceeds_any_budget(scopes: list[Scope]) -> None:
    decision = decide(scopes)
    if isinstance(decision, Granted):
        for scope in scopes:
            assert scope.settled_ms + scope.leased_ms + decision.allowance_ms <= scope.allowed_ms


@given(st.lists(SCOPES, max_size=4))
def test_refused_exactly_when_a_budget_is_spent_however_much_is_leased(scopes: list[Scope]) -> None:
    decision = decide(scopes)
    spent = [scope for scope in scopes if is_spent(scope)]
    assert decision == Refused(spent[0]) if spent else not isinstance(decision, Refused)


@given(st.lists(UNSPENT_SCOPES, min_size=1, max_size=4))
def test_waits_exactly_while_others_hold_what_is_wanted(scopes: list[Scope]) -> None:
    wanted = scopes[0].left_ms
    held_by_others = any(scope.leased_ms and scope.left_ms - scope.leased_ms < wanted for scope in scopes)
    assert isinstance(decide(scopes), Wait) == held_by_others


@given(st.lists(IDLE_SCOPES, min_size=1, max_size=4))
def test_alone_it_gets_what_is_left_of_the_narrowest(scopes: list[Scope]) -> None:
    decision = decide(scopes)
    narrowest = min(scopes, key=lambda scope: scope.left_ms)
    assert decision == Granted(narrowest.left_ms, narrowest)


def test_without_any_budget_it_is_the_vendors_longest_session() -> None:
    assert decide([]) == Granted(LONGEST_SESSION_MS, None)
    assert LONGEST_SESSION_MS == 2 * 60 * 60 * 1000


@given(allowed_ms=st.integers(1, 5000), overshoot_ms=st.integers(1, 5000), leased_ms=AMOUNTS_MS)
def test_an_overshoot_is_paid_off_before_anything_is_leased(allowed_ms: int, overshoot_ms: int, leased_ms: int) -> None:
    scope = Scope(name="run", allowed_ms=allowed_ms, settled_ms=allowed_ms + overshoot_ms, leased_ms=leased_ms)
    assert decide([scope]) == Refused(scope)
    raised = Scope(name="run", allowed_ms=scope.settled_ms + FLOOR_MS, settled_ms=scope.settled_ms, leased_ms=0)
    assert decide([raised]) == Granted(FLOOR_MS, raised)


def test_a_test_waits_for_the_run_rather_than_take_less_than_its_own_budget() -> None:
    test = Scope(name="test", allowed_ms=60_000, settled_ms=0, leased_ms=0)
    busy = Scope(name="run", allowed_ms=100_000, settled_ms=0, leased_ms=60_000)
    idle = Scope(name="run", allowed_ms=100_000, settled_ms=60_000, leased_ms=0)
    assert decide([test, busy]) == Wait()
    assert decide([test, idle]) == Granted(40_000, idle)


OVERRUNS = st.builds(
    Overrun,
    kind=st.sampled_from(["cut", "refused", "exceeded"]),
    scope=st.sampled_from(NAMES),
    used_ms=st.integers(0, 2 * TEN_YEARS_MS),
    allowed_ms=st.integers(0, TEN_YEARS_MS),
)


@given(OVERRUNS)
def test_an_overrun_fits_a_close_frame_and_says_which_how_much_and_what_to_do(overrun: Overrun) -> None:
    said = describe(overrun)
    assert len(said.encode()) <= 123
    assert said.startswith(f"{overrun.scope} budget of {format_time(overrun.allowed_ms)} ")
    assert f"{format_time(overrun.used_ms)} used" in said
    assert ("--dg-test-budget" if overrun.scope == "test" else "--dg-budget") in said
