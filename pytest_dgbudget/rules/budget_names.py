"""What a budget is called in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it is loaded where something was used
    from pytest_dgbudget.model import ScopeName


def budget_name(scope: ScopeName, label: str) -> str:
    """Return the name of a budget: ``day window``, ``run budget``, ``path budget``."""
    return f"{label} window" if scope == "window" else f"{scope} budget"


def budget_name_with_glob(scope: ScopeName, label: str) -> str:
    """Return the same, and which path: ``path budget tests/smoke/**``."""
    name = budget_name(scope, label)
    return f"{name} {label}" if scope == "path" else name
