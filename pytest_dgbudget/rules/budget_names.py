"""What a budget is called in messages, and how it is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it is loaded where something was used
    from pytest_dgbudget.model import Currency, ScopeName

_HOW_TO_RAISE = {
    ("test", "time"): "raise it by marker dg_budget or --dg-test-budget",
    ("test", "money"): "raise cost in its marker dg_budget",
    ("run", "time"): "raise it with --dg-budget",
    ("run", "money"): "raise it with --dg-cost-budget",
}


def budget_name(scope: ScopeName, label: str) -> str:
    """Return the name of a budget: ``day window``, ``run budget``, ``path budget``."""
    return f"{label} window" if scope == "window" else f"{scope} budget"


def budget_name_with_glob(scope: ScopeName, label: str) -> str:
    """Return the same, and which path: ``path budget tests/smoke/**``."""
    name = budget_name(scope, label)
    return f"{name} {label}" if scope == "path" else name


def how_to_raise(scope: ScopeName, label: str, currency: Currency) -> str:
    """Say what gives a budget more: ``raise it with --dg-budget``."""
    if scope == "window":
        return f"raise {label} in dgbudget.toml or wait for the next one"
    if scope == "path":
        return f"raise it in dgbudget.toml, [[path]] {label}"
    return _HOW_TO_RAISE[scope, currency]
