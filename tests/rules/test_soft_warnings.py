"""Which budgets are nearly used up, which prices are old, and how that is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.soft_warnings import UsedBudget, UsedCassette, nearly_used_up, old_cassettes, old_prices

AMOUNTS = st.integers(0, 10**9)


def budget(used: int, allowed: int, **fields: Any) -> UsedBudget:
    return UsedBudget(**{"scope": "run", "currency": "time", "used": used, "allowed": allowed, **fields})


@pytest.mark.parametrize(
    ("used", "warns"), [(0, False), (79_999, False), (80_000, True), (100_000, True), (100_001, False)]
)
def test_a_budget_warns_from_eighty_percent_until_it_is_exceeded(used: int, warns: bool) -> None:
    assert bool(nearly_used_up([budget(used, 100_000)])) is warns


def test_a_budget_that_has_cut_or_refused_says_so_itself() -> None:
    assert nearly_used_up([budget(98, 100, has_overrun=True)]) == []


def test_a_budget_of_nothing_warns_of_nothing() -> None:
    assert nearly_used_up([budget(0, 0)]) == []


def test_each_budget_has_its_own_sentence_in_its_own_unit() -> None:
    window = budget(131_250_000, 150_000_000, scope="window", label="month", currency="money")
    path = budget(9000, 10_000, scope="path", label="tests/smoke/**")
    assert nearly_used_up([budget(82_400, 100_000), budget(1, 100), path, window]) == [
        ("run", "82% of the run budget of 1m40s is used: 1m22.4s"),
        ("path", "90% of the path budget tests/smoke/** of 10s is used: 9s"),
        ("window", "88% of the month window of $150 is used: $131.25"),
    ]


@given(st.lists(st.builds(budget, AMOUNTS, AMOUNTS, has_overrun=st.booleans())))
def test_no_budget_warns_twice_nor_one_that_is_exceeded(budgets: list[UsedBudget]) -> None:
    could = [each for each in budgets if each.used <= each.allowed and not each.has_overrun]
    assert len(nearly_used_up(budgets)) == sum(each.used * 10 >= each.allowed * 8 > 0 for each in could)


@pytest.mark.parametrize(("days", "is_old"), [(-3, False), (0, False), (180, False), (181, True), (4000, True)])
def test_prices_are_old_after_a_hundred_and_eighty_days(days: int, is_old: bool) -> None:
    assert (old_prices("2026-06-25", days) is not None) is is_old


def test_old_prices_say_their_age_and_what_to_do() -> None:
    assert old_prices("2026-06-25", 190) == (
        "the prices are 190 days old (2026-06-25): set those of today, with as_of, in [prices] of dgbudget.toml"
    )


DAY_MS = 24 * 3_600_000


def test_a_cassette_may_be_as_old_as_allowed_and_no_older() -> None:
    assert old_cassettes([UsedCassette("cassettes/one/1", 90 * DAY_MS, "test_a.py::test")], 90 * DAY_MS) is None
    assert old_cassettes([UsedCassette("cassettes/one/1", 90 * DAY_MS + 1, "test_a.py::test[a b]")], 90 * DAY_MS) == (
        "1 cassette is older than 90d (dg_cassette_max_age): cassettes/one/1 (90d); record it again with "
        "pytest 'test_a.py::test[a b]' --dg-target=live --dg-record=rewrite --dg-budget=TIME"
    )


def test_the_oldest_cassettes_are_named_first_each_once_and_the_rest_counted() -> None:
    used = [UsedCassette(f"c/{days}/1", days * DAY_MS, f"test_{days}") for days in (1, 200, 95, 300, 120, 95, 100)]
    said = old_cassettes(used, 90 * DAY_MS) or ""
    assert said.startswith(
        "5 cassettes are older than 90d (dg_cassette_max_age): c/300/1 (300d), c/200/1 (200d), c/120/1 (120d) and 2 "
        "more; record these again with pytest test_300 test_200 test_120 --dg-target=live "
    )
