"""Whether a project's balance covers what a run may spend."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.budget import Scope
from pytest_dgbudget.rules.credit import Balance, MostSpent, credit_problem, most_spent
from tests.rules.test_plan import PRICE, budget

TEN_MINUTES = budget(600_000)
MONTH = Scope(name="window", allowed=2_000_000, settled=1_500_000, leased=0, currency="money", label="month")


def most(*scopes: Scope) -> MostSpent:
    found = most_spent(scopes, PRICE)
    assert found is not None
    return found


def problem(micro_usd: int | None, *scopes: Scope, units: tuple[str, ...] = ()) -> str:
    return credit_problem(Balance(micro_usd=micro_usd, other_units=units), most(*scopes)) or ""


def test_a_run_may_spend_its_time_at_the_highest_price_its_money_or_its_window_whichever_is_least() -> None:
    assert most(TEN_MINUTES).micro_usd == 1_630_000
    assert most(TEN_MINUTES, budget(900_000, "money")).micro_usd == 900_000
    assert most(TEN_MINUTES, budget(900_000, "money"), MONTH).micro_usd == 500_000
    assert most_spent([], PRICE) is None


def test_what_is_spent_is_spent_and_what_is_set_aside_may_be() -> None:
    assert most(budget(1000, "money", settled=300, leased=200)).micro_usd == 700
    assert most(budget(1000, "money", settled=1300)).micro_usd == 0


def test_a_balance_below_it_is_said_with_both_amounts_where_they_come_from_and_what_to_do() -> None:
    assert problem(1_009_999, TEN_MINUTES) == (
        "the project's balance is $1, and this run may spend $1.63 (10m is left of its run budget, at the highest "
        "price): add credit in Deepgram's console, or lower the budget (--dg-budget or --dg-cost-budget)"
    )
    assert "$0.50 is left of its month window): add credit" in problem(0, MONTH)
    assert "(dgbudget.toml)" in problem(0, MONTH)


@pytest.mark.parametrize("micro_usd", [1_630_000, 9_000_000])
def test_a_balance_that_covers_it_is_no_problem_whatever_there_is_beside(micro_usd: int) -> None:
    assert problem(micro_usd, TEN_MINUTES) == problem(micro_usd, TEN_MINUTES, units=("hours",)) == ""


@pytest.mark.parametrize("micro_usd", [None, 1_000_000])
def test_what_is_no_dollars_is_said_and_never_compared(micro_usd: int | None) -> None:
    said = problem(micro_usd, TEN_MINUTES, units=("hours", "an unknown unit"))
    assert said.startswith("the project's balance is in hours and an unknown unit, which says nothing in US dollars")
    assert "Deepgram's console" in said


def test_no_balance_is_not_nothing() -> None:
    assert problem(None, TEN_MINUTES).startswith("Deepgram shows no balance of the project, and this run may spend")


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.booleans())
def test_a_problem_is_said_exactly_where_the_balance_is_below(balance: int, allowed: int, of_time: bool) -> None:
    scope = budget(allowed, "time" if of_time else "money")
    assert bool(problem(balance, scope)) == (balance < most(scope).micro_usd)
