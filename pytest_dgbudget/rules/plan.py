"""What a run is likely to spend, from what its tests have spent before, and whether its budgets have room for that.

Time is milliseconds of connection, money millionths of a dollar. Live figures are never mixed with emulated ones: where
a test has a live past, that alone counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pytest_dgbudget.rules.budget import LONGEST_SESSION_MS, Scope
from pytest_dgbudget.rules.percentiles import percentile_ms
from pytest_dgbudget.rules.prices import price_of

# What a prediction comes from: what the test spent live, what emulated sessions of it would have taken live, or its
# budget, where it has no past.
PredictionSource = Literal["live", "emulated", "budget"]
# Whether a budget has room: surely not, only if the tests spend no more than usual, or also if they do.
Fit = Literal["no", "perhaps", "yes"]
_WORST_FIRST: tuple[Fit, ...] = ("no", "perhaps", "yes")


class Spending(NamedTuple):
    """An amount in both currencies."""

    ms: int
    micro_usd: int

    def times(self, count: int) -> Spending:
        return Spending(self.ms * count, self.micro_usd * count)


NOTHING = Spending(0, 0)


class PastRun(NamedTuple):
    """What a test spent in one invocation, its reruns together; ``micro_usd`` None: no price is recorded."""

    ms: int
    micro_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTest:
    """A collected test, ``copies`` times where every worker runs it. Its own budgets are None where it has none.

    ``path`` is the glob of its path budget. ``unit`` is what goes to a worker as a whole: the test, or all that is kept
    together with it. ``live`` is what it spent in runs of the past, ``emulated`` what it would have spent live by the
    forecasts of emulated ones.
    """

    nodeid: str
    unit: str
    copies: int = 1
    budget_ms: int | None
    cost_budget_micro_usd: int | None = None
    path: str | None = None
    live: Sequence[PastRun] = ()
    emulated: Sequence[PastRun] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What one test is likely to spend, by the ``runs`` that it was seen in.

    ``median`` is None for a test without a past. ``cautious`` is the 90th percentile, or all of its budget. Neither is
    more than the test's budget allows.
    """

    nodeid: str
    unit: str
    path: str | None
    copies: int
    source: PredictionSource
    runs: int
    median: Spending | None
    cautious: Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFit:
    """What all tests together are likely to take of one budget, in its currency, and whether it is there."""

    scope: Scope
    median: int
    cautious: int
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The predictions, dearest first, and their sums.

    ``median`` is that of the tests with a past, ``cautious`` that of all. ``wall_ms`` and ``cautious_wall_ms`` are how
    long ``workers`` take for these. ``fit`` is that of the tightest of ``budgets``; ``uncounted`` are others.
    """

    predictions: Sequence[Prediction]
    median: Spending
    cautious: Spending
    workers: int
    wall_ms: int
    cautious_wall_ms: int
    budgets: Sequence[BudgetFit]
    uncounted: Sequence[BudgetFit]
    fit: Fit


def plan(
    tests: Sequence[PlannedTest],
    budgets: Sequence[Scope],
    *,
    uncounted: Sequence[Scope] = (),
    workers: int = 1,
    highest_price: int,
) -> RunPlan:
    """Predict what the tests spend, in the order in which they run, and hold it against the budgets.

    ``highest_price`` is that of a minute at the dearest tier: what counts where no price is known.
    """
    predictions = [_predict(test, _longest_ms(test, budgets), highest_price) for test in tests]
    fits = [_fit(scope, predictions) for scope in (*budgets, *uncounted)]
    counted = fits[: len(budgets)]
    return RunPlan(
        predictions=sorted(predictions, key=_dearest, reverse=True),
        median=_median_of(predictions),
        cautious=_cautious_of(predictions),
        workers=workers,
        wall_ms=_wall_ms(((each, (each.median or NOTHING).ms) for each in predictions), workers),
        cautious_wall_ms=_wall_ms(((each, each.cautious.ms) for each in predictions), workers),
        budgets=counted,
        uncounted=fits[len(budgets) :],
        fit=min((each.fit for each in counted), key=_WORST_FIRST.index, default="yes"),
    )


def _longest_ms(test: PlannedTest, budgets: Sequence[Scope]) -> int:
    """Return how long a test may take that has no budget of its own."""
    left = (max(0, each.free) for each in budgets if each.currency == "time" and _applies(each, test.path))
    return min([LONGEST_SESSION_MS, *left])


def _applies(scope: Scope, path: str | None) -> bool:
    return scope.name != "path" or scope.label == path


def _predict(test: PlannedTest, longest_ms: int, highest_price: int) -> Prediction:
    source: PredictionSource = "live" if test.live else "emulated" if test.emulated else "budget"
    past = test.live or test.emulated
    seen = [Spending(run.ms, _priced(run, highest_price)) for run in past]
    most_ms = longest_ms if test.budget_ms is None else test.budget_ms
    most = Spending(most_ms, price_of(most_ms, highest_price))
    return Prediction(
        nodeid=test.nodeid,
        unit=test.unit,
        path=test.path,
        copies=test.copies,
        source=source,
        runs=len(seen),
        median=_within_budget(_percentile(seen, 50), test) if seen else None,
        cautious=_within_budget(_percentile(seen, 90) if seen else most, test),
    )


def _priced(run: PastRun, highest_price: int) -> int:
    return price_of(run.ms, highest_price) if run.micro_usd is None else run.micro_usd


def _percentile(seen: Sequence[Spending], percent: int) -> Spending:
    ms, micro_usd = (percentile_ms(figures, percent) for figures in zip(*seen, strict=True))
    return Spending(ms or 0, micro_usd or 0)


def _within_budget(spending: Spending, test: PlannedTest) -> Spending:
    """A test that was given less since then is cut there."""
    ms = spending.ms if test.budget_ms is None else min(spending.ms, test.budget_ms)
    most = test.cost_budget_micro_usd
    return Spending(ms, spending.micro_usd if most is None else min(spending.micro_usd, most))


def _median_of(predictions: Iterable[Prediction]) -> Spending:
    return _sum((each.median or NOTHING).times(each.copies) for each in predictions)


def _cautious_of(predictions: Iterable[Prediction]) -> Spending:
    return _sum(each.cautious.times(each.copies) for each in predictions)


def _sum(spendings: Iterable[Spending]) -> Spending:
    total = NOTHING
    for each in spendings:
        total = Spending(total.ms + each.ms, total.micro_usd + each.micro_usd)
    return total


def _dearest(prediction: Prediction) -> tuple[int, int]:
    return prediction.cautious.micro_usd, prediction.cautious.ms


def _fit(scope: Scope, predictions: Sequence[Prediction]) -> BudgetFit:
    of_scope = [each for each in predictions if _applies(scope, each.path)]
    of_time = scope.currency == "time"
    median, cautious = (
        each.ms if of_time else each.micro_usd for each in (_median_of(of_scope), _cautious_of(of_scope))
    )
    if median > scope.free or (of_scope and scope.free <= 0):
        fit: Fit = "no"
    else:
        fit = "perhaps" if cautious > scope.free else "yes"
    return BudgetFit(scope=scope, median=median, cautious=cautious, fit=fit)


def _wall_ms(durations: Iterable[tuple[Prediction, int]], workers: int) -> int:
    """Hand each unit to the worker that is free first, as xdist does, and return when the last one has ended."""
    units: dict[tuple[str, int], int] = {}
    for prediction, ms in durations:
        for copy in range(prediction.copies):
            key = (prediction.unit, copy)
            units[key] = units.get(key, 0) + ms
    free_at = [0] * max(1, workers)
    for ms in units.values():
        free_at[free_at.index(min(free_at))] += ms
    return max(free_at)
