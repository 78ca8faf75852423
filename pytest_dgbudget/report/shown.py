"""Figures as a terminal shows them; what is unknown is ``-``, never 0."""

from __future__ import annotations

from pytest_dgbudget.units import format_usd

# Set aside for a lease whose end nobody saw, and charged, as the whole of it may have been used.
AT_RISK = "at risk (charged but not metered)"
_BAR_CELLS = 20


def shown_seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}s"


def shown_usd(dollars: float | None) -> str:
    return "-" if dollars is None else f"${dollars:.4f}"


def exact_usd(dollars: float) -> str:
    """Return a budget in money, as it was given."""
    return format_usd(round(1_000_000 * dollars))


def bar(used: float, budget: float, cells: int = _BAR_CELLS) -> str:
    """Return how much of a budget is used, as a bar with its percentage: full where nothing is allowed."""
    share = min(1.0, used / budget) if budget else 1.0
    full = round(share * cells)
    return f"[{'#' * full}{'.' * (cells - full)}] {share:.0%}"
