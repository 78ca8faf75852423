"""What the document has of earlier runs: how this one compares with them, and what they came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_dgbudget.ledger.runs_before import EarlierRun, RunsBefore
from pytest_dgbudget.report.regression_figures import (
    ComparedFigure,
    Contributor,
    Past,
    PastRunFigures,
    RegressionFigure,
    RegressionFigures,
)
from pytest_dgbudget.rules.attempts import usd_or_none
from pytest_dgbudget.rules.dearer_tests import DearerTest
from pytest_dgbudget.rules.levels import FEWEST_RUNS, FEWEST_TESTS
from pytest_dgbudget.rules.regression import FEWEST_VALUES, Compared, Regression, regression_of
from pytest_dgbudget.units import counted

# Of those that a figure regressed by.
_MOST_CONTRIBUTORS = 10

_TOO_FEW_TESTS = (
    "{} of this run can be compared with earlier ones, and {} are needed: tests that passed, and of which everything "
    "was seen"
)
_TOO_FEW_RUNS = (
    "{} can be compared with this one, and {} are needed: runs that came to their end and share half of its tests, "
    "and three at least"
)
_NOTHING_USUAL = (
    "{} can be compared with this one, but too few of its tests were in the last of them and in {} before it: what is "
    "usual is not known"
)
_REGRESSED = (
    "{} of {} is {:.0%} above what it was in {} ({:.2f}s → {:.2f}s, in this run and the one before it; limit {:.0%})"
)
_DEARER = "{} took far more than usual in this run and the two before it, most of all {} ({:.2f}s → {:.2f}s)"
_OFF: RegressionFigures = {
    "verdict": "off",
    "runs": 0,
    "tests": 0,
    "spend": None,
    "latency": None,
    "contributors": [],
    "sentences": [],
}


def past_of(before: RunsBefore) -> Past:
    """Compare a run with those before it."""
    regression = regression_of(before.use, [run.use for run in before.earlier])
    return Past(_figures(regression), _history(before.earlier))


def uncompared_past_of(before: RunsBefore) -> Past:
    """Return what earlier runs came to, for a run that is not to be compared with them."""
    return Past(_OFF, _history(before.earlier))


def _figures(regression: Regression) -> RegressionFigures:
    judged = regression.spend or regression.latency
    return {
        "verdict": "too-few-runs" if judged is None else "regression" if regression.is_found else "none",
        "runs": regression.runs,
        "tests": 0 if judged is None else judged.tests,
        "spend": _compared(regression.spend),
        "latency": _compared(regression.latency),
        "contributors": [*_contributors(regression)],
        "sentences": [*_sentences(regression)],
    }


def _compared(figure: Compared | None) -> ComparedFigure | None:
    if figure is None:
        return None
    return {
        "usual_seconds": round(figure.usual_ms / 1000, 3),
        "now_seconds": round(figure.now_ms / 1000, 3),
        "change": round(figure.change, 4),
        "limit": round(figure.limit, 4),
        "regressed": figure.regressed,
    }


def _contributors(regression: Regression) -> Iterator[Contributor]:
    dearer = {test.nodeid for test in regression.dearer}
    yield from (_contributor("spend", test) for test in regression.dearer)
    if regression.spend is not None and regression.spend.regressed:
        others = [test for test in regression.spend.contributors if test.nodeid not in dearer]
        yield from (_contributor("spend", test) for test in others[:_MOST_CONTRIBUTORS])
    if regression.latency is not None and regression.latency.regressed:
        yield from (_contributor("latency", test) for test in regression.latency.contributors[:_MOST_CONTRIBUTORS])


def _contributor(figure: RegressionFigure, test: DearerTest) -> Contributor:
    return {
        "nodeid": test.nodeid,
        "figure": figure,
        "usual_seconds": round(test.usual_ms / 1000, 3),
        "now_seconds": round(test.now_ms / 1000, 3),
        "change": round(test.change, 4),
    }


def _sentences(regression: Regression) -> Iterator[str]:
    if regression.spend is None and regression.latency is None:
        yield _why_nothing_was_judged(regression)
    for what, figure in (("the spend", regression.spend), ("the median turn latency", regression.latency)):
        if figure is not None and figure.regressed:
            yield _sentence(what, figure)
    if regression.dearer:
        worst = regression.dearer[0]
        tests = counted(len(regression.dearer), "test")
        yield _DEARER.format(tests, worst.nodeid, worst.usual_ms / 1000, worst.now_ms / 1000)


def _why_nothing_was_judged(regression: Regression) -> str:
    if regression.tests < FEWEST_TESTS:
        return _TOO_FEW_TESTS.format(counted(regression.tests, "test"), FEWEST_TESTS)
    runs = counted(regression.runs, "earlier run")
    if regression.runs < FEWEST_RUNS:
        return _TOO_FEW_RUNS.format(runs, FEWEST_RUNS)
    return _NOTHING_USUAL.format(runs, FEWEST_VALUES)


def _sentence(what: str, figure: Compared) -> str:
    tests, runs = counted(figure.tests, "shared test"), counted(figure.runs, "earlier run")
    seconds = figure.usual_ms / 1000, figure.now_ms / 1000
    return _REGRESSED.format(what, tests, figure.change, runs, *seconds, figure.limit)


def _history(earlier: Sequence[EarlierRun]) -> tuple[PastRunFigures, ...]:
    return tuple(map(_past_run, earlier))


def _past_run(run: EarlierRun) -> PastRunFigures:
    return {
        "id": run.id,
        "started_at": run.started_at,
        "tests": run.tests,
        "sessions": run.sessions,
        "used_seconds": run.ms / 1000,
        "cost_usd": usd_or_none(run.micro_usd),
        "latency_p50_ms": run.latency_p50_ms,
    }
