"""What a budget is called in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it is loaded where something was used
    from pytest_dgbudget.model import ScopeName


def budget_name(scope: ScopeName, label: str) -> str:
    """Return the name of a budget: ``day window``, ``run budget``; a path's glob is said where there is room for it."""
    return f"{label} window" if scope == "window" else f"{scope} budget"
