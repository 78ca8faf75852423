"""The overrun of an attempt in words: what happened, the figures, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pytest_dgbudget.report.document import AttemptEntry

OverrunKind = Literal["cut", "refused", "exceeded"]


def overrun_phrase(test: AttemptEntry) -> str:
    """Say which budget was overrun; where an older version recorded no figures, only that one was."""
    from pytest_dgbudget.model import Overrun  # which the end of a run without sessions does without
    from pytest_dgbudget.rules.budget import describe
    from pytest_dgbudget.rules.budget_names import budget_name

    kind: OverrunKind = "cut" if test["cut"] else "exceeded" if test["exceeded"] else "refused"
    figures = test.get("overrun")
    if figures is None:
        return f"a budget was overrun ({kind})"
    used, allowed = figures["used"], figures["allowed"]
    if used is None or allowed is None:
        return f"the {budget_name(figures['scope'], figures['label'])} was overrun ({kind})"
    unit = 1000 if figures["currency"] == "time" else 1_000_000
    return describe(
        Overrun(
            kind=kind,
            scope=figures["scope"],
            used=round(used * unit),
            allowed=round(allowed * unit),
            currency=figures["currency"],
            label=figures["label"],
        )
    )
