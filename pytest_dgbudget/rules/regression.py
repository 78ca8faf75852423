"""Whether sessions or turns of a run took longer than in earlier ones, judged once over the tests that they share.

A single run differs too much from others, so this one and the one before it are judged together, by those before them.
How much runs differ is seen in these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

from pytest_dgbudget.rules.dearer_tests import DearerTest, contributors, dearer_tests
from pytest_dgbudget.rules.levels import (
    FEWEST_RUNS,
    Logs,
    comparable,
    fair_usual_of,
    level_of,
    quantile,
    share_of,
    usual_of,
)

# What is usual for a test is known from as many runs before the last two.
FEWEST_VALUES = FEWEST_RUNS - 1
# By how much levels differ where nothing is known of them, which counts as much as three runs: ten runs by themselves
# tell so little of that that limits would have to be a tenth higher.
_PRIOR_SPREAD, _PRIOR_RUNS = 0.1, 3
# Less is never a regression, however alike the earlier runs were.
_LEAST_CHANGE = 0.05


class JudgedFigure(NamedTuple):
    """How a figure is judged: in which share of runs it may alarm falsely, what of it is too little per test to be a
    regression, and what several tests come to.
    """

    alarms: float
    least_ms: int
    overall: Callable[[Iterable[float]], float]


# Together with single tests, at most 5 % of runs may alarm falsely: docs/regression.md has what each of them does.
_SPEND = JudgedFigure(alarms=0.018, least_ms=100, overall=sum)
_LATENCY = JudgedFigure(alarms=0.03, least_ms=20, overall=median)


class UseOfTest(NamedTuple):
    """What a test came to in one run: its connection time, and the median latency of its judged turns.

    None where it is not known, as the latency of turns most of which were never answered.
    """

    ms: int | None
    latency_ms: int | None = None


RunUse = Mapping[str, UseOfTest]
"""What a run used, by test."""


class Compared(NamedTuple):
    """A figure of this run and the one before it, over the ``tests`` that earlier ``runs`` share with this one.

    ``change`` and ``limit`` are shares of what is usual.
    """

    runs: int
    tests: int
    usual_ms: float
    change: float
    limit: float
    regressed: bool
    contributors: Sequence[DearerTest]

    @property
    def now_ms(self) -> float:
        return self.usual_ms * (1 + self.change)


class Regression(NamedTuple):
    """A figure is None where it could not be judged. ``dearer`` are single tests.

    ``tests`` counts those of this run that can be compared, and ``runs`` the earlier runs that share enough of them.
    """

    tests: int
    runs: int
    spend: Compared | None
    latency: Compared | None
    dearer: Sequence[DearerTest]

    @property
    def is_found(self) -> bool:
        return bool(self.dearer) or any(each is not None and each.regressed for each in (self.spend, self.latency))


def regression_of(now: RunUse, earlier: Sequence[RunUse]) -> Regression:
    """Compare a run with earlier ones, the last of them last."""
    spend, spends = _spend_of(now), [*map(_spend_of, earlier)]
    latency, latencies = _latency_of(now), [*map(_latency_of, earlier)]
    return Regression(
        tests=max(len(spend), len(latency)),
        runs=max(len(comparable(spend, spends)), len(comparable(latency, latencies))),
        spend=_compared(spend, spends, _SPEND),
        latency=_compared(latency, latencies, _LATENCY),
        dearer=dearer_tests(spend, comparable(spend, spends)),
    )


def _spend_of(run: RunUse) -> Logs:
    return {test: math.log(use.ms) for test, use in run.items() if use.ms}


def _latency_of(run: RunUse) -> Logs:
    return {test: math.log(use.latency_ms) for test, use in run.items() if use.latency_ms}


def _compared(now: Logs, earlier: Sequence[Logs], judged: JudgedFigure) -> Compared | None:
    runs = comparable(now, earlier)
    if len(runs) < FEWEST_RUNS:
        return None
    *before, last = runs
    usual, fair = usual_of(now, before, FEWEST_VALUES), fair_usual_of(now, before, FEWEST_VALUES)
    levels = [level for run in before if (level := level_of(run, fair)) is not None]
    level, last_level = level_of(now, fair), level_of(last, fair)
    if level is None or last_level is None or len(levels) < FEWEST_VALUES:
        return None
    above, above_together = level - fmean(levels), (level + last_level) / 2 - fmean(levels)
    usual_ms = [*map(math.exp, usual.values())]
    limit = max(share_of(_limit(levels, judged.alarms)), judged.least_ms / median(usual_ms), _LEAST_CHANGE)
    return Compared(
        runs=len(runs),
        tests=len(usual),
        usual_ms=judged.overall(usual_ms),
        change=share_of(above_together),
        limit=limit,
        # A run that is as usual is not blamed for the one before it.
        regressed=share_of(above_together) > limit and share_of(above) > _LEAST_CHANGE,
        contributors=contributors(now, last, usual),
    )


def _limit(levels: Sequence[float], alarms: float) -> float:
    """Return how far the mean of two levels is above that of these in this share of cases where nothing changed."""
    freedom, mean = _PRIOR_RUNS + len(levels) - 1, fmean(levels)
    variance = (_PRIOR_RUNS * _PRIOR_SPREAD**2 + sum((level - mean) ** 2 for level in levels)) / freedom
    return quantile(alarms, freedom) * math.sqrt(variance * (1 / 2 + 1 / len(levels)))
