"""What is dearer or slower than in earlier runs is found, and noise is no regression.

The simulation is in ``benchmarks``: its noise is that of a suite of 200 tests of five turns; ``docs/regression.md`` has
more of its figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.regression import by_latency, by_one_test, by_spend, false_alarms, found_within
from benchmarks.simulated_runs import WATCHED, Change, Noise, Suite
from pytest_dgbudget.rules.levels import FEWEST_RUNS, MOST_RUNS, quantile
from pytest_dgbudget.rules.regression import Regression, RunUse, UseOfTest, regression_of

USUAL = Noise()
SMALL = Noise(tests=12)
FALSE_ALARMS, POWER = 0.05, 0.8
# What must be found, in how many runs, with ten earlier ones.
MUST_BE_FOUND = [
    (Change(spend=1.3), by_spend, 2),
    (Change(more_ms=300), by_latency, 2),
    (Change(one=2), by_one_test, 3),
]
# So many standard errors from the truth, a figure is chance once in a thousand times, and once in twenty times.
CHANCE, LIKELY = 3.1, 1.65


def error_of(share: float, count: int) -> float:
    return sqrt(share * (1 - share) / count)


def run_of(ms: int, tests: int = 10, latency_ms: int = 1200) -> dict[str, UseOfTest]:
    return {f"test_{number}": UseOfTest(ms, latency_ms) for number in range(tests)}


def same(count: int, ms: int = 10_000) -> list[RunUse]:
    return [run_of(ms)] * count


# The simulation


def test_few_runs_alarm_falsely() -> None:
    """At most 11 % of so few, or chance is no excuse. That at most 5 % do, the slow test alone can tell."""
    alarms = false_alarms(USUAL, earlier=10, runs=120)["any"]
    assert alarms <= FALSE_ALARMS + CHANCE * error_of(FALSE_ALARMS, 120)


def test_what_is_much_worse_is_found() -> None:
    """In each of ten suites; how likely less is found, the thorough test has."""
    changes = [(Change(spend=1.6), by_spend), (Change(more_ms=700), by_latency), (Change(one=3), by_one_test)]
    spend, latency, one = found_within(USUAL, 10, changes, suites=10)
    assert (spend[1], latency[1], one[2]) == (1, 1, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("noise", "earlier"),
    [(USUAL, 5), (USUAL, 10), (replace(USUAL, shared=True), 10)],
    ids=["five earlier runs", "ten", "ten, spend and latency by one factor"],
)
def test_at_most_one_run_in_twenty_alarms_falsely(noise: Noise, earlier: int) -> None:
    """Very likely. Neighbouring runs depend on each other, so that their share varies by a fifth more."""
    alarms = false_alarms(noise, earlier, runs=4000)["any"]
    print(f"{alarms:.2%} of 4000 runs alarm falsely")
    assert alarms + 1.2 * LIKELY * error_of(alarms, 4000) <= FALSE_ALARMS


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_must_be_found_is_found_in_four_of_five_suites() -> None:
    changes = [(change, finds) for change, finds, _ in MUST_BE_FOUND]
    found = found_within(USUAL, 10, changes, suites=400)
    for (change, _, runs), shares in zip(MUST_BE_FOUND, found, strict=True):
        print(f"{change}: found within one, two and three runs in {shares} of 400 suites")
        assert shares[runs - 1] >= POWER


# Properties


def runs_of(seed: int, change: Change) -> tuple[list[RunUse], RunUse]:
    suite = Suite(Random(seed), SMALL)
    past = [suite.run() for _ in range(8)]
    return [*past, suite.run(change), suite.run(change)], suite.run(change)


def judged(now: RunUse, earlier: Sequence[RunUse]) -> tuple[object, ...]:
    found = regression_of(now, earlier)
    return (
        found.runs,
        [test.nodeid for test in found.dearer],
        *(figure and (figure.tests, figure.regressed) for figure in (found.spend, found.latency)),
        *(figure and (round(figure.change, 6), round(figure.limit, 6)) for figure in (found.spend, found.latency)),
    )


ANY_SEED = st.integers(0, 10_000)
ANY_CHANGE = st.sampled_from([Change(), Change(spend=1.4), Change(more_ms=500), Change(one=4)])


@given(ANY_SEED, ANY_CHANGE, st.randoms(use_true_random=False))
def test_the_order_of_tests_does_not_matter(seed: int, change: Change, random: Random) -> None:
    earlier, now = runs_of(seed, change)

    def shuffled(run: RunUse) -> RunUse:
        return dict(random.sample([*run.items()], len(run)))

    assert judged(shuffled(now), [*map(shuffled, earlier)]) == judged(now, earlier)


ALONE = {"alone": UseOfTest(1_000_000, 60_000)}


@given(ANY_SEED, ANY_CHANGE, st.integers(0, 9))
def test_a_test_that_is_in_one_earlier_run_alone_changes_nothing(seed: int, change: Change, where: int) -> None:
    earlier, now = runs_of(seed, change)
    runs = [*earlier]
    runs[where] = {**runs[where], **ALONE}
    assert judged(now, runs) == judged(now, earlier)


def test_a_new_test_changes_nothing() -> None:
    """Unless it makes the others less than half of the run."""
    assert judged({**run_of(10_000), **ALONE}, same(8)) == judged(run_of(10_000), same(8))


@given(ANY_SEED, ANY_CHANGE, st.integers(2, 9))
def test_only_ratios_count(seed: int, change: Change, factor: int) -> None:
    def times(run: RunUse) -> RunUse:
        return {test: UseOfTest((use.ms or 0) * factor, (use.latency_ms or 0) * factor) for test, use in run.items()}

    earlier, now = runs_of(seed, change)
    assert judged(times(now), [*map(times, earlier)]) == judged(now, earlier)


# What is compared


def test_five_earlier_runs_are_needed() -> None:
    assert regression_of(run_of(10_000), same(FEWEST_RUNS - 1)) == Regression(10, 4, None, None, [])
    found = regression_of(run_of(10_000), same(FEWEST_RUNS))
    assert found.spend is not None
    assert (found.runs, found.spend.runs, found.spend.tests, round(found.spend.change, 6)) == (5, 5, 10, 0)
    assert not found.is_found


def test_runs_with_less_than_half_of_the_tests_are_not_looked_at() -> None:
    few, half = run_of(99_000, tests=4), run_of(10_000, tests=5)
    found = regression_of(run_of(10_000), [*[half] * 5, *[few] * 5])
    assert found.runs == 5
    assert not found.is_found


def test_two_tests_are_too_few() -> None:
    """One of them that takes ten times as long for once would be half of the suite."""
    assert regression_of(run_of(10_000, tests=2), [run_of(10_000, tests=2)] * 9) == Regression(2, 0, None, None, [])


def test_the_last_twenty_runs_count() -> None:
    found = regression_of(run_of(20_000), [*same(30), *same(MOST_RUNS, 20_000)])
    assert found.runs == MOST_RUNS
    assert found.spend is not None
    assert found.spend.change == pytest.approx(0)


def test_what_is_not_known_is_not_compared() -> None:
    def without(unknown: UseOfTest) -> Regression:
        now = {**run_of(10_000), "test_0": unknown, "test_1": unknown}
        return regression_of(now, [now] * 6)

    for unknown in (UseOfTest(None, None), UseOfTest(0, 0)):
        found = without(unknown)
        assert found.spend is not None
        assert found.latency is not None
        assert (found.spend.tests, found.latency.tests) == (8, 8)


def test_runs_without_latency_are_compared_by_spend_alone() -> None:
    silent = {test: UseOfTest(10_000) for test in run_of(1)}
    found = regression_of(silent, [silent] * 6)
    assert found.spend is not None
    assert found.latency is None


def test_the_latency_of_two_tests_is_not_judged() -> None:
    """What all of them spend is; with a third test that has turns, so is the latency of those three."""

    def with_turns(tests: int) -> Regression:
        run = {**{test: UseOfTest(10_000) for test in run_of(1)}, **run_of(10_000, tests)}
        return regression_of(run, [run] * 6)

    assert with_turns(2).spend is not None
    assert with_turns(2).latency is None
    assert with_turns(3).latency is not None


# What a regression is


@pytest.mark.parametrize(
    ("usual_ms", "now_ms", "is_found"),
    [(10_000, 10_400, False), (50, 140, False), (10_000, 14_000, True), (500, 1000, True)],
    ids=["4 %", "90 ms", "40 %", "500 ms"],
)
def test_alike_runs_make_no_small_difference_a_regression(usual_ms: int, now_ms: int, is_found: bool) -> None:
    found = regression_of(run_of(now_ms), [*same(9, usual_ms), run_of(now_ms)])
    assert found.is_found == is_found


def test_what_is_twenty_milliseconds_slower_is_not_slow() -> None:
    slower = run_of(10_000, latency_ms=39)
    assert not regression_of(slower, [*[run_of(10_000, latency_ms=20)] * 9, slower]).is_found
    slower = run_of(10_000, latency_ms=60)
    assert regression_of(slower, [*[run_of(10_000, latency_ms=20)] * 9, slower]).is_found


def test_a_run_that_is_as_usual_is_not_blamed_for_the_one_before_it() -> None:
    assert regression_of(run_of(40_000), same(10)).is_found
    assert not regression_of(run_of(10_000), [*same(10), run_of(40_000)]).is_found


def test_a_single_run_is_found_where_it_is_above_the_limit_squared() -> None:
    """Levels are ratios: with a limit of 20 %, it is found from 44 % on."""
    usual = regression_of(run_of(10_000), same(10)).spend
    assert usual is not None
    at_once_ms = 10_000 * (1 + usual.limit) ** 2
    assert not regression_of(run_of(round(at_once_ms) - 10), same(10)).is_found
    assert regression_of(run_of(round(at_once_ms) + 10), same(10)).is_found


def test_what_has_become_usual_is_no_regression_any_more() -> None:
    assert not regression_of(run_of(20_000), [*same(6), *same(6, 20_000)]).is_found


def with_one(ms: int) -> Mapping[str, UseOfTest]:
    return {**run_of(10_000), WATCHED: UseOfTest(ms)}


ONE_USUAL = [with_one(10_000)] * 7


def dearer(now: int, *last: int) -> list[str]:
    return [test.nodeid for test in regression_of(with_one(now), [*ONE_USUAL, *map(with_one, last)]).dearer]


def test_one_test_is_dearer_when_it_was_in_three_runs_on_end() -> None:
    assert dearer(20_000, 20_000, 20_000) == [WATCHED]
    assert dearer(20_000, 10_000, 20_000) == []
    assert dearer(100_000, 10_000, 10_000) == []
    assert dearer(10_000, 100_000, 100_000) == []
    assert dearer(11_000, 11_000, 11_000) == []


def test_one_test_is_dearer_beyond_what_all_are() -> None:
    twice = [run_of(20_000)] * 3
    found = regression_of(twice[0], [*same(8), *twice[1:]])
    assert found.dearer == []
    assert found.is_found


def test_contributors_are_those_that_add_most_in_both_runs() -> None:
    """What took longer for once comes last, however much that was."""
    usual = {f"test_{number}": UseOfTest(10_000 * (1 + number)) for number in range(5)}

    def times(*factors: float) -> RunUse:
        return {
            test: UseOfTest(round((use.ms or 0) * factor))
            for (test, use), factor in zip(usual.items(), factors, strict=True)
        }

    last, now = times(2, 2, 2, 1.01, 0.5), times(3, 2, 2, 10, 2)
    found = regression_of(now, [*[usual] * 8, last]).spend
    assert found is not None
    assert [test.nodeid for test in found.contributors] == ["test_2", "test_1", "test_0", "test_3", "test_4"]
    assert found.contributors[2].usual_ms == pytest.approx(10_000)
    assert found.contributors[2].now_ms == pytest.approx(30_000)
    assert found.contributors[2].change == pytest.approx(2)


@pytest.mark.parametrize(
    ("alarms", "freedom", "exact"), [(0.01, 6, 3.143), (0.0385, 11, 1.953), (0.0145, 21, 2.342), (0.004, 8, 3.508)]
)
def test_the_quantile_is_students(alarms: float, freedom: int, exact: float) -> None:
    assert quantile(alarms, freedom) == pytest.approx(exact, abs=0.01)
