"""Single tests whose sessions took longer than they usually do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

from pytest_dgbudget.rules.levels import FEWEST_RUNS, Logs, level_of, quantile, share_of, usual_of

# At most so many runs may alarm falsely for one of their tests; see ``rules.regression``.
_ALARMS = 0.003
# In so many runs on end it must be dearer: an outlier comes and goes.
_ON_END = 3
# Less is never a regression: that share, and milliseconds.
_LEAST_CHANGE, _LEAST_MS = 0.25, 500
# How much tests differ in general says as much of one of them as so many runs of its own.
_OTHERS_RUNS = 4
# Of normal noise, the standard deviation in terms of the median of the absolute deviations.
_OF_MEDIAN_DEVIATION = 1.4826


class DearerTest(NamedTuple):
    """What a test usually comes to, and what it came to in this run."""

    nodeid: str
    usual_ms: float
    now_ms: float

    @property
    def change(self) -> float:
        return self.now_ms / self.usual_ms - 1


def contributors(now: Logs, last: Logs, usual: Logs) -> list[DearerTest]:
    """Return the tests that were above what is usual, those first that add most to it in both runs."""
    added = {
        test: math.exp(min(now[test], last.get(test, now[test]))) - math.exp(ms)
        for test, ms in usual.items()
        if now[test] > ms
    }
    return [_dearer(test, now, usual) for test in sorted(added, key=lambda test: (-added[test], test))]


def dearer_tests(now: Logs, earlier: Sequence[Logs]) -> list[DearerTest]:
    """Return tests that were far dearer than usual in this run and the two before it, beyond what all tests were.

    How far is too far is told by how much the test differed before, and how much others did; among many tests, further.
    """
    before, recent = earlier[: 1 - _ON_END], [*earlier[1 - _ON_END :], now]
    if len(before) < FEWEST_RUNS:
        return []
    usual = usual_of(now, before, FEWEST_RUNS)
    above, above_before = _above_of_runs(recent, usual), _above_of_runs(before, usual)
    judged = [test for test in usual if all(test in run for run in above)]
    if len(above) < _ON_END or not judged:
        return []
    limits = _limits(judged, above_before)
    found = [test for test in judged if all(run[test] > limits[test] for run in above) and _is_much(test, now, usual)]
    return sorted((_dearer(test, now, usual) for test in found), key=lambda test: (test.usual_ms - test.now_ms, test))


def _above_of_runs(runs: Iterable[Logs], usual: Logs) -> list[Logs]:
    """Return how far each test was above what is usual, beyond the level of its run."""
    return [
        {test: run[test] - usual[test] - level for test in usual if test in run}
        for run in runs
        if (level := level_of(run, usual)) is not None
    ]


def _limits(tests: Sequence[str], before: Sequence[Logs]) -> dict[str, float]:
    """Return how far each test must be above what is usual, in each of the runs on end.

    These share what is usual and how much the test differs, so that three of them prove no more than two would that
    share nothing: hence the square root.
    """
    alarms = math.sqrt(_ALARMS / len(tests))
    general = _OF_MEDIAN_DEVIATION * median(abs(each) for run in before for each in run.values())
    return {test: _limit(list(_values(test, before)), general, alarms) for test in tests}


def _limit(values: Sequence[float], general: float, alarms: float) -> float:
    freedom = _OTHERS_RUNS + len(values) - 1
    variance = (_OTHERS_RUNS * general**2 + sum(value**2 for value in values)) / freedom
    return quantile(alarms, freedom) * math.sqrt(variance * (1 + 1.5 / len(values)))


def _values(test: str, runs: Iterable[Logs]) -> Iterator[float]:
    return (run[test] for run in runs if test in run)


def _is_much(test: str, now: Logs, usual: Logs) -> bool:
    more_ms = math.exp(now[test]) - math.exp(usual[test])
    return share_of(now[test] - usual[test]) >= _LEAST_CHANGE and more_ms >= _LEAST_MS


def _dearer(test: str, now: Logs, usual: Logs) -> DearerTest:
    return DearerTest(test, math.exp(usual[test]), math.exp(now[test]))
