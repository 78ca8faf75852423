"""What a run is likely to spend, and whether it fits: the rules of ``--dg-plan``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.model import Currency
from pytest_dgbudget.rules.budget import LONGEST_SESSION_MS, Scope
from pytest_dgbudget.rules.plan import PastRun, PlannedTest, RunPlan, Spending, plan

PRICE = 163_000
MINUTE = 60_000


def planned(name: str = "t", *ms: int, **others: Any) -> PlannedTest:
    """A test that took so long live, at a price of 1 a millisecond."""
    known: dict[str, Any] = {"nodeid": name, "unit": name, "budget_ms": MINUTE}
    return PlannedTest(**{**known, "live": [PastRun(each, each) for each in ms], **others})


def budget(allowed: int, currency: Currency = "time", *, settled: int = 0, leased: int = 0) -> Scope:
    return Scope(name="run", allowed=allowed, settled=settled, leased=leased, currency=currency)


def plan_of(tests: list[PlannedTest], *budgets: Scope, **others: Any) -> RunPlan:
    return plan(tests, budgets, highest_price=PRICE, **others)


pasts = st.lists(st.builds(PastRun, st.integers(0, 90_000), st.none() | st.integers(0, 900_000)), max_size=6)
tests_of_any_kind = st.lists(
    st.builds(
        PlannedTest,
        nodeid=st.sampled_from("abcdef"),
        unit=st.sampled_from("xyz"),
        copies=st.integers(1, 3),
        budget_ms=st.none() | st.integers(0, 120_000),
        cost_budget_micro_usd=st.none() | st.integers(0, 500_000),
        live=pasts,
        emulated=pasts,
    ),
    max_size=6,
)
budgets_of_any_kind = st.lists(
    st.builds(
        budget,
        st.integers(0, 400_000),
        st.sampled_from(["time", "money"]),
        settled=st.integers(0, 100_000),
        leased=st.integers(0, 100_000),
    ),
    max_size=3,
)


def test_a_test_with_a_past_is_predicted_by_its_median_and_its_90th_percentile() -> None:
    (prediction,) = plan_of([planned("t", *range(1000, 11_000, 1000))]).predictions
    assert (prediction.source, prediction.runs) == ("live", 10)
    assert prediction.median == Spending(5000, 5000)
    assert prediction.cautious == Spending(9000, 9000)


def test_live_and_emulated_figures_are_never_mixed() -> None:
    emulated = [PastRun(50_000, 50_000)]
    both, only = plan_of([planned("both", 1000, emulated=emulated), planned("only", emulated=emulated)]).predictions[
        ::-1
    ]
    assert (both.source, both.cautious.ms) == ("live", 1000)
    assert (only.source, only.cautious.ms) == ("emulated", 50_000)


def test_a_test_without_a_past_counts_with_all_of_its_budget_at_the_highest_price_and_not_in_the_median() -> None:
    found = plan_of([planned("new")])
    (prediction,) = found.predictions
    assert (prediction.source, prediction.median) == ("budget", None)
    assert prediction.cautious == Spending(MINUTE, PRICE)
    assert found.median == Spending(0, 0)


def test_the_cost_budget_of_a_test_limits_what_it_is_predicted_to_cost() -> None:
    (prediction,) = plan_of([planned("new", cost_budget_micro_usd=50_000)]).predictions
    assert prediction.cautious == Spending(MINUTE, 50_000)


@pytest.mark.parametrize(("budgets", "ms"), [((), LONGEST_SESSION_MS), ((budget(90_000),), 90_000)])
def test_without_a_budget_of_its_own_a_new_test_may_take_what_the_run_has(budgets: tuple[Scope, ...], ms: int) -> None:
    assert plan_of([planned("new", budget_ms=None)], *budgets).cautious.ms == ms


def test_a_test_that_was_given_less_since_then_is_predicted_to_be_cut_there() -> None:
    assert plan_of([planned("t", 50_000, budget_ms=20_000)]).cautious.ms == 20_000


def test_what_has_no_price_counts_at_the_highest() -> None:
    assert plan_of([planned("t", live=[PastRun(MINUTE, None)])]).median.micro_usd == PRICE


def test_a_test_that_every_worker_runs_is_spent_as_often() -> None:
    assert plan_of([planned("t", 1000, copies=3)], workers=3).median == Spending(3000, 3000)


@pytest.mark.parametrize(
    ("left", "fit"), [(10_000, "no"), (10_999, "no"), (11_000, "perhaps"), (79_999, "perhaps"), (80_000, "yes")]
)
@pytest.mark.parametrize("currency", ["time", "money"])
def test_a_run_fits_by_the_medians_of_tests_with_a_past_and_by_what_all_may_spend(
    left: int, fit: str, currency: Currency
) -> None:
    new = planned("new", cost_budget_micro_usd=MINUTE)
    past = planned("t", 11_000, 11_000, 20_000)
    found = plan_of([past, new], budget(100_000, currency, settled=100_000 - left))
    assert found.fit == fit


def test_what_others_have_set_aside_is_not_there() -> None:
    assert plan_of([planned("t", 5000)], budget(8000, leased=4000)).fit == "no"


@pytest.mark.parametrize(("tests", "fit"), [([planned("new")], "no"), ([planned("t", 0)], "no"), ([], "yes")])
def test_a_budget_of_which_nothing_is_left_fits_nothing_that_asks_for_a_session(
    tests: list[PlannedTest], fit: str
) -> None:
    assert plan_of(tests, budget(0)).fit == fit
    assert plan_of(tests, budget(9, settled=9)).fit == fit


def test_the_tightest_budget_decides_and_one_that_is_not_counted_does_not() -> None:
    tests = [planned("t", 5000)]
    assert plan_of(tests, budget(10_000), budget(4999, "money")).fit == "no"
    found = plan_of(tests, budget(10_000), uncounted=[budget(4999)])
    assert (found.fit, [each.fit for each in found.uncounted]) == ("yes", ["no"])


def test_a_path_budget_is_held_against_the_tests_of_its_path() -> None:
    smoke = Scope(name="path", label="smoke/**", allowed=4000, settled=0, leased=0)
    tests = [planned("a", 3000, path="smoke/**"), planned("b", 9000), planned("new", path="smoke/**", budget_ms=None)]
    found = plan_of(tests, budget(60_000), smoke)
    assert [(each.median, each.cautious, each.fit) for each in found.budgets] == [
        (12_000, 16_000, "yes"),
        (3000, 7000, "perhaps"),
    ]
    assert (
        plan_of([planned("b", 9000)], Scope(name="path", label="smoke/**", allowed=0, settled=0, leased=0)).fit == "yes"
    )


def test_workers_take_the_next_test_when_they_are_free() -> None:
    tests = [planned("a", 5000), planned("b", 1000), planned("c", 2000), planned("d", 3000)]
    assert [plan_of(tests, workers=workers).wall_ms for workers in (1, 2, 4)] == [11_000, 6000, 5000]


def test_what_xdist_keeps_together_goes_to_one_worker() -> None:
    tests = [planned(name, 1000, unit="file") for name in "abc"]
    assert plan_of(tests, workers=3).wall_ms == 3000


def test_the_dearest_come_first() -> None:
    found = plan_of([planned("cheap", 1000), planned("dear", 9000)])
    assert [each.nodeid for each in found.predictions] == ["dear", "cheap"]


@given(tests_of_any_kind, budgets_of_any_kind, st.integers(1, 5))
def test_the_figures_of_any_plan_agree_with_one_another(
    tests: list[PlannedTest], budgets: list[Scope], workers: int
) -> None:
    found = plan_of(tests, *budgets, workers=workers)
    assert found.median.ms <= found.cautious.ms
    assert found.median.micro_usd <= found.cautious.micro_usd
    assert found.cautious.ms == sum(each.cautious.ms * each.copies for each in found.predictions)
    assert found.cautious_wall_ms <= found.cautious.ms <= workers * found.cautious_wall_ms
    assert sorted(each.nodeid for each in found.predictions) == sorted(each.nodeid for each in tests)


@given(tests_of_any_kind, budgets_of_any_kind, st.integers(1, 100_000))
def test_more_budget_never_fits_worse(tests: list[PlannedTest], budgets: list[Scope], more: int) -> None:
    order = ["no", "perhaps", "yes"]
    owned = [each for each in tests if each.budget_ms is not None]  # others would take it
    raised = [budget(each.allowed + more, each.currency, settled=each.settled, leased=each.leased) for each in budgets]
    assert order.index(plan_of(owned, *budgets).fit) <= order.index(plan_of(owned, *raised).fit)
