"""What is said of a regression in a terminal."""

from __future__ import annotations

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.regression_figures import Contributor

_MOST = 3


def regression_lines(document: UsageDocument) -> list[str]:
    """Return what has regressed and the tests that contribute most to it; nothing where nothing has."""
    regression = document.get("regression")
    if regression is None or regression["verdict"] != "regression":
        return []
    found = [f"regression: {sentence}" for sentence in regression["sentences"]]
    contributors = regression["contributors"]
    rest = len(contributors) - _MOST
    more = [f"  and {rest} more in usage.json"] if rest > 0 else []
    return [*found, *(f"  {_line(each)}" for each in contributors[:_MOST]), *more]


def _line(test: Contributor) -> str:
    return f"{test['nodeid']}: {test['figure']} {test['usual_seconds']:.2f}s → {test['now_seconds']:.2f}s"
