"""The level of a run: how far its tests are above what is usual for each of them.

In logarithms of milliseconds, so that only ratios count. The median of the tests decides: one that takes ten times as
long changes nothing, and neither do tests that are new or gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist, fmean, median

Logs = Mapping[str, float]
"""By test, the logarithm of what it came to in one run."""

FEWEST_RUNS, MOST_RUNS = 5, 20
# With fewer tests, their median is no protection from one that takes ten times as long.
FEWEST_TESTS = 3


def comparable(now: Logs, earlier: Sequence[Logs]) -> list[Logs]:
    """Return the last runs that have at least half of the tests of this one, and enough of them."""
    least = max(FEWEST_TESTS, len(now) / 2)
    return [run for run in earlier if len(run.keys() & now.keys()) >= least][-MOST_RUNS:]


def fair_usual_of(now: Logs, earlier: Sequence[Logs], fewest: int) -> Logs:
    """Return what is usual for each test, to tell levels by.

    By the mean, levels of earlier runs differ as much as they do; the median of a few runs is what one of them has, so
    that these would seem to differ less. Of tests that were not in all runs, it is that of runs on one level.
    """
    usual = usual_of(now, earlier, fewest, fmean)
    even = [
        {test: ms - level for test, ms in run.items()} for run in earlier if (level := level_of(run, usual)) is not None
    ]
    return usual_of(now, even, fewest, fmean)


def usual_of(
    now: Logs, earlier: Sequence[Logs], fewest: int, middle: Callable[[Sequence[float]], float] = median
) -> Logs:
    """Return what is usual for each test of this run that has been in so many earlier ones."""
    values = {test: [run[test] for run in earlier if test in run] for test in now}
    return {test: middle(each) for test, each in values.items() if len(each) >= fewest}


def level_of(run: Logs, usual: Logs) -> float | None:
    """Return the level of a run; None where it has too few of these tests."""
    above = [run[test] - usual[test] for test in usual if test in run]
    return median(above) if len(above) >= FEWEST_TESTS else None


def share_of(difference: float) -> float:
    """Return a difference of logarithms as a share: 0.3 is 30 % more."""
    return math.expm1(difference)


def quantile(alarms: float, freedom: int) -> float:
    """Return what Student's t exceeds in this share of cases: the first terms of its expansion, from 5 degrees on."""
    z = NormalDist().inv_cdf(1 - alarms)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
