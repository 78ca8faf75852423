"""Figures as people read them, in the terminal, in Markdown and on the page. What is unknown is never 0."""

from __future__ import annotations

from pytest_dgbudget.units import format_usd, short_usd

# Set aside for a lease whose end nobody saw, and charged, as the whole of it may have been used.
AT_RISK = "at risk (charged but not metered)"
ESTIMATE = "~"
_BAR_CELLS = 20


def shown_seconds(seconds: float | None, unknown: str = "-") -> str:
    """Return seconds, with two decimals."""
    return unknown if seconds is None else f"{seconds:,.2f}s"


def shown_usd(dollars: float | None, unknown: str = "-") -> str:
    """Return dollars, with the four decimals that a short session needs."""
    return unknown if dollars is None else short_usd(dollars)


def exact_usd(dollars: float) -> str:
    """Return an amount that somebody chose, such as a budget, as short as it can be written."""
    return format_usd(round(1_000_000 * dollars))


def bar(used: float, budget: float, cells: int = _BAR_CELLS) -> str:
    """Return how much of a budget is used, as a bar with its percentage: full where nothing is allowed."""
    share = min(1.0, used / budget) if budget else 1.0
    full = round(share * cells)
    return f"[{'#' * full}{'.' * (cells - full)}] {share:.0%}"
