"""What is said of a regression, wherever it is shown."""

from __future__ import annotations

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.regression_figures import Contributor, RegressionFigures
from pytest_dgbudget.report.shown import shown_seconds

TAKES_LONGER = "sessions or turns took longer than in earlier runs"

_MOST = 3


def found_regression(document: UsageDocument) -> RegressionFigures | None:
    """Return what has regressed; None where nothing has, or nothing was compared."""
    regression = document.get("regression")
    return regression if regression is not None and regression["verdict"] == "regression" else None


def regression_lines(document: UsageDocument) -> list[str]:
    """Return what has regressed and the tests that contribute most to it; nothing where nothing has."""
    regression = found_regression(document)
    if regression is None:
        return []
    found = [f"regression: {sentence}" for sentence in regression["sentences"]]
    contributors = regression["contributors"]
    rest = len(contributors) - _MOST
    more = [f"  and {rest} more in usage.json"] if rest > 0 else []
    return [*found, *(f"  {each['nodeid']}: {change_of(each)}" for each in contributors[:_MOST]), *more]


def change_of(test: Contributor) -> str:
    """Return how a test has changed."""
    usual, now = shown_seconds(test["usual_seconds"]), shown_seconds(test["now_seconds"])
    return f"{test['figure']} {usual} → {now} ({test['change']:+.0%})"
