"""One lease against every budget: granted, refused, or told to wait."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatch
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_dgbudget.model import Currency, Overrun, ScopeName
from pytest_dgbudget.rules.budget import (
    FLOOR_MS,
    LONGEST_SESSION_MS,
    Granted,
    Refused,
    Scope,
    Wait,
    decide,
    describe,
    explain,
    free_ms,
    is_shared_refusal,
)
from pytest_dgbudget.rules.prices import price_of
from pytest_dgbudget.units import format_time, format_usd

# Small numbers meet one another more often than large ones.
AMOUNTS_MS = st.integers(0, 3000) | st.integers(0, 10_000_000)
NAMES: list[ScopeName] = ["test", "run"]
# From the narrowest to the widest, as a ledger lists them.
ALL_NAMES: list[ScopeName] = ["test", "path", "run", "window", "window"]
CURRENCIES: list[Currency] = ["time", "money"]
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
    floor = 1000 if scope.currency == "time" else ceil(Fraction(PRICE, 60))
    return scope.allowed == 0 or scope.allowed - scope.settled < min(floor, scope.allowed)


@st.composite
def budgets(draw: st.DrawFn, leased: st.SearchStrategy[int] = NOTHING | AMOUNTS_MS) -> list[Scope]:
    """Budgets of some of the scopes, in either currency or both; none is cut, and few are spent."""
    scopes = [(name, currency) for name in ALL_NAMES for currency in CURRENCIES]
    left = st.integers(2717, 200_000) | st.integers(0, 20_000_000)
    return [
        replace(scope_with(name, draw(left), draw(NOTHING | AMOUNTS_MS), draw(leased)), currency=currency)
        for name, currency in scopes
        if draw(st.booleans())
    ]


def amount_of(decision: Granted, scope: Scope) -> int:
    return decision.allowance_ms if scope.currency == "time" else decision.micro_usd


@given(budgets())
def test_a_grant_exceeds_no_budget_in_its_currency(scopes: list[Scope]) -> None:
    decision = decide(scopes, PRICE)
    if isinstance(decision, Granted):
        for scope in scopes:
            assert scope.settled + scope.leased + amount_of(decision, scope) <= scope.allowed


@given(budgets())
def test_refused_exactly_when_something_is_spent_in_its_currency(scopes: list[Scope]) -> None:
    decision = decide(scopes, PRICE)
    spent = [scope for scope in scopes if is_spent(scope)]
    assert decision == Refused(spent[0]) if spent else not isinstance(decision, Refused)


@given(budgets())
def test_waits_exactly_while_others_hold_what_is_wanted_in_some_currency(scopes: list[Scope]) -> None:
    decision = decide(scopes, PRICE)
    assume(not isinstance(decision, Refused))
    of_time = [scope for scope in scopes if scope.currency == "time"]
    time_ms = next((scope.left for scope in of_time if scope.name != "window"), LONGEST_SESSION_MS)
    held = [scope for scope in of_time if scope.leased and scope.left - scope.leased < time_ms]
    if not held:
        granted_ms = min([time_ms, *(scope.left - scope.leased for scope in of_time)])
        of_money = [scope for scope in scopes if scope.currency == "money"]
        wanted = min([ceil(Fraction(granted_ms * PRICE, 60_000)), *(s.left for s in of_money if s.name == "test")])
        held = [scope for scope in of_money if scope.leased and scope.left - scope.leased < wanted]
    assert decision == Wait(held[0]) if held else isinstance(decision, Granted)


@given(budgets(leased=NOTHING))
def test_alone_nobody_waits_and_each_currency_names_what_limits_it(scopes: list[Scope]) -> None:
    decision = decide(scopes, PRICE)
    assume(not isinstance(decision, Refused))
    assert isinstance(decision, Granted)
    whole = price_of(decision.allowance_ms, PRICE)
    assert decision.micro_usd == min([whole, *(scope.left for scope in scopes if scope.currency == "money")])
    if decision.money is None:
        assert not any(scope.currency == "money" for scope in scopes)
    elif decision.micro_usd < whole:
        assert decision.money.left == decision.micro_usd
    if decision.time is not None:
        assert decision.time.left == decision.allowance_ms or decision.time.name != "window"


def test_a_test_with_a_budget_in_money_waits_for_no_more_than_that() -> None:
    test = Scope(name="test", currency="money", allowed=50_000, settled=0, leased=0)
    busy = Scope(name="run", currency="money", allowed=200_000, settled=0, leased=100_000)
    minute = Scope(name="test", allowed=60_000, settled=0, leased=0)
    assert decide([minute, test, busy], PRICE) == Granted(
        allowance_ms=60_000, micro_usd=50_000, time=minute, money=test
    )
    assert decide([minute, busy], PRICE) == Wait(busy)


@given(AMOUNTS_MS, st.integers(0, 10_000), st.integers(1, 1_000_000))
def test_what_is_free_of_money_lasts_as_long_as_it_pays_for_the_highest_price(
    left: int, leased: int, price: int
) -> None:
    scope = Scope(name="run", currency="money", allowed=left, settled=0, leased=leased)
    lasts_ms = free_ms(scope, price)
    assert price_of(lasts_ms, price) <= left - leased < price_of(lasts_ms + 1, price)
    assert free_ms(replace(scope, currency="time"), price) == left - leased
    assert free_ms(scope, 0) == LONGEST_SESSION_MS


@given(budgets())
def test_what_has_cut_a_session_has_nothing_left_in_either_currency(scopes: list[Scope]) -> None:
    cut = [replace(scope, was_cut=True) for scope in scopes]
    decision = decide(cut, PRICE)
    assert isinstance(decision, Refused) if cut else isinstance(decision, Granted)


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


AMOUNTS = st.integers(0, TEN_YEARS_MS)
LABELS: dict[ScopeName, list[str]] = {
    "test": [""],
    "path": ["tests/smoke/**", "tests/integration/telephony/test_*.py"],
    "run": [""],
    "window": ["day", "month"],
}
HOW: dict[tuple[ScopeName, Currency], str] = {
    ("test", "time"): "--dg-test-budget",
    ("test", "money"): "raise cost in its marker dg_budget",
    ("run", "time"): "--dg-budget",
    ("run", "money"): "--dg-cost-budget",
}


@st.composite
def overruns(draw: st.DrawFn) -> Overrun:
    scope = draw(st.sampled_from(ALL_NAMES))
    return Overrun(
        kind=draw(st.sampled_from(["cut", "refused", "exceeded"])),
        scope=scope,
        label=draw(st.sampled_from(LABELS[scope])),
        currency=draw(st.sampled_from(CURRENCIES)),
        used=draw(st.integers(0, 2 * TEN_YEARS_MS)),
        allowed=draw(AMOUNTS),
        also_used=draw(st.none() | AMOUNTS),
    )


@given(overruns())
def test_an_overrun_says_which_budget_how_much_of_both_and_what_to_do(overrun: Overrun) -> None:
    said = describe(overrun)
    written, other = (format_time, format_usd) if overrun.currency == "time" else (format_usd, format_time)
    name = f"{overrun.label} window" if overrun.scope == "window" else f"{overrun.scope} budget"
    assert said.startswith(f"{name} of {written(overrun.allowed)} ")
    assert f"{written(overrun.used)} used" in said
    assert overrun.also_used is None or other(overrun.also_used) in said
    assert HOW.get((overrun.scope, overrun.currency), "dgbudget.toml") in said
    if overrun.scope == "path":
        assert said.endswith(overrun.label)


@pytest.mark.parametrize(("scope", "is_shared"), [("test", False), ("path", True), ("run", True), ("window", True)])
def test_what_a_budget_refuses_that_tests_share_is_told_from_what_a_tests_own_one_does(
    scope: Any, is_shared: bool
) -> None:
    refused = Overrun(kind="refused", scope=scope, used=1, allowed=1)
    assert is_shared_refusal(refused) is is_shared
    assert not is_shared_refusal(replace(refused, kind="cut"))


def test_a_budget_of_nothing_that_refuses_is_not_said_to_be_nearly_spent() -> None:
    overrun = Overrun(kind="refused", scope="run", currency="money", used=0, allowed=0)
    assert describe(overrun) == "run budget of $0 allows nothing, $0 used; raise it with --dg-cost-budget"


@pytest.mark.parametrize(
    ("kind", "used", "said"),
    [
        ("cut", 9_000_000, ". The last $1 is kept for closing: *"),
        ("refused", 9_990_000, ". The last $0.01 is less than one more session needs"),
        ("refused", 10_000_000, "--dg-cost-budget"),
        ("exceeded", 9_000_000, "--dg-cost-budget"),
    ],
)
def test_what_is_left_of_a_budget_that_cuts_or_refuses_is_explained(kind: Any, used: int, said: str) -> None:
    overrun = Overrun(kind=kind, scope="run", currency="money", used=used, allowed=10_000_000)
    assert fnmatch(explain(overrun), f"*{said}")


@given(overruns())
def test_an_overrun_of_whole_minutes_or_cents_up_to_a_day_and_a_hundred_dollars_fits_a_close_frame(
    overrun: Overrun,
) -> None:
    most: dict[Currency, int] = {"time": 86_400_000, "money": 100_000_000}
    whole: dict[Currency, int] = {"time": 60_000, "money": 10_000}
    other: Currency = "money" if overrun.currency == "time" else "time"
    also = None if overrun.also_used is None else overrun.also_used % most[other]
    small = replace(
        overrun,
        used=overrun.used % most[overrun.currency],
        allowed=overrun.allowed % most[overrun.currency] // whole[overrun.currency] * whole[overrun.currency],
        also_used=also,
        label="tests/smoke/**" if overrun.scope == "path" else overrun.label,
    )
    assert len(describe(small).encode()) <= 123
