"""Why one time more was spent than another: the parts add up, and each has what it is named after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.model import Currency
from pytest_dgbudget.rules.prices import price_of
from pytest_dgbudget.rules.spending import ChangePart, Spent, amount_of, change_parts, total

CURRENCIES: tuple[Currency, ...] = get_args(Currency)
NUMBERS = st.integers(0, 10**7)
SPENT = st.builds(Spent, **dict.fromkeys(Spent._fields, NUMBERS))
TESTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), SPENT)


def spent(sessions: int = 1, seconds: int = 10, micro_usd_per_second: int = 1000, **others: Any) -> Spent:
    ms, micro_usd = seconds * 1000, seconds * micro_usd_per_second
    return Spent(sessions=sessions, metered=sessions, ms=ms, micro_usd=micro_usd)._replace(**others)


def parts(before: Mapping[str, Spent], after: Mapping[str, Spent], currency: Currency = "money") -> dict[str, int]:
    return {part.reason: part.amount for part in change_parts(before, after, currency)}


@given(TESTS, TESTS, st.sampled_from(CURRENCIES))
def test_the_parts_add_up_to_the_difference(
    before: Mapping[str, Spent], after: Mapping[str, Spent], currency: Currency
) -> None:
    difference = amount_of(total(after.values()), currency) - amount_of(total(before.values()), currency)
    assert sum(part.amount for part in change_parts(before, after, currency)) == difference


@given(TESTS, TESTS)
def test_the_largest_part_comes_first(before: Mapping[str, Spent], after: Mapping[str, Spent]) -> None:
    amounts = [abs(part.amount) for part in change_parts(before, after, "money")]
    assert amounts == sorted(amounts, reverse=True)


@given(TESTS)
def test_what_is_the_same_has_no_parts(tests: Mapping[str, Spent]) -> None:
    assert change_parts(tests, tests, "money") == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"t": spent()}, {"new-tests": 10_000}),
        ({"t": spent()}, {}, {"gone-tests": -10_000}),
        ({"t": spent()}, {"t": spent(3, 30)}, {"sessions": 20_000}),
        ({"t": spent()}, {"t": spent(seconds=14)}, {"length": 4000}),
        ({"t": spent()}, {"t": spent(micro_usd_per_second=3000)}, {"price": 20_000}),
        ({"t": spent()}, {"t": spent(ms=60_000, micro_usd=60_000, unseen_ms=50_000, unseen_micro_usd=50_000)},
         {"unseen": 50_000}),
        ({"t": spent()}, {"t": spent(2, 40, 3000)}, {"sessions": 10_000, "length": 20_000, "price": 80_000}),
        ({"t": spent(0, 0)}, {"t": spent()}, {"sessions": 10_000}),
    ],
    ids=["new", "gone", "retries", "longer", "dearer", "lost", "all of them", "asked for none before"],
)  # fmt: skip
def test_each_reason(before: Mapping[str, Spent], after: Mapping[str, Spent], expected: dict[str, int]) -> None:
    assert parts(before, after) == expected
    assert parts(after, before).keys() == {
        {"new-tests": "gone-tests", "gone-tests": "new-tests"}.get(reason, reason) for reason in expected
    }


def test_in_time_no_price_counts() -> None:
    assert parts({"t": spent()}, {"t": spent(2, 40, 3000)}, "time") == {"sessions": 10_000, "length": 20_000}


def test_a_part_names_the_test_with_the_most_of_it() -> None:
    after = {"few": spent(seconds=1), "much": spent(seconds=5), "some": spent(seconds=2)}
    assert change_parts({}, after, "money") == [ChangePart("new-tests", 8000, 3, "much")]


def test_what_is_not_known_of_a_part_is_not_known_of_the_sum() -> None:
    one, other = spent(), spent(unpriced=1, unstated=1)
    assert total([one, other]).cost_micro_usd is None
    assert (one.cost_micro_usd, one.stated_micro_usd) == (10_000, 0)
    assert total([one, other]).stated_micro_usd is None
    assert Spent().stated_micro_usd is None, "there is nothing to state"
    assert total([]) == Spent()


def test_a_part_counts_and_names_the_tests_that_changed_as_it_did() -> None:
    before = dict.fromkeys(["same", "shorter", "less", "longer"], spent(ms=1000))
    after = {**before, "shorter": spent(ms=920), "less": spent(ms=947), "longer": spent(ms=1094)}
    assert change_parts(before, after, "time") == [ChangePart("length", -39, 2, "shorter")]
    assert change_parts(after, before, "time") == [ChangePart("length", 39, 2, "shorter")]


def test_changes_that_make_up_for_one_another_are_no_part() -> None:
    before, after = {"a": spent(seconds=2), "b": spent(seconds=3)}, {"a": spent(seconds=3), "b": spent(seconds=2)}
    assert change_parts(before, after, "time") == []


@given(
    st.integers(1, 10**6),
    st.lists(st.integers(1, 10**6), min_size=1),
    st.lists(st.integers(1, 10**6), min_size=1),
)
def test_at_one_price_no_part_is_of_the_price(price: int, before: list[int], after: list[int]) -> None:
    was, now = (
        Spent(len(all_ms), len(all_ms), sum(all_ms), sum(price_of(ms, price) for ms in all_ms))
        for all_ms in (before, after)
    )
    assert "price" not in parts({"t": was}, {"t": now})


def test_a_price_that_rose_by_a_hundredth_is_told_from_rounding() -> None:
    assert parts({"t": spent()}, {"t": spent(micro_usd=10_100)}) == {"price": 100}
    assert parts({"t": spent()}, {"t": spent(micro_usd=10_002)}) == {"rounding": 2}
