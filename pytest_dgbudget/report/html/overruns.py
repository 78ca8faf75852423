"""Overruns in words: how, of which budget, and by how much."""

from __future__ import annotations

from pytest_dgbudget.report.document import AttemptEntry
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.overrun_figures import OverrunFigures
from pytest_dgbudget.rules.budget_names import budget_name_with_glob
from pytest_dgbudget.units import counted


def overrun_words(test: AttemptEntry) -> str:
    """Say what became of the test's sessions, and by which budget."""
    overrun = test.get("overrun")  # which reports of earlier versions lack
    by = "a budget" if overrun is None else _budget(overrun)
    if test["cut"]:
        return f"cut by the {by}" if overrun is not None else "cut by a budget"
    if test["exceeded"]:
        return f"exceeded the {by}" if overrun is not None else "exceeded its budget"
    return f"{counted(test['refused'], 'session')} refused by {'the ' if overrun is not None else ''}{by}"


def _budget(overrun: OverrunFigures) -> str:
    name = budget_name_with_glob(overrun["scope"], overrun["label"])
    used, allowed = overrun["used"], overrun["allowed"]
    if used is None or allowed is None:
        return name
    shown = figures.time if overrun["currency"] == "time" else figures.money
    return f"{name}, {shown(used)} used of {shown(allowed)}"
