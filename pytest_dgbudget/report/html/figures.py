"""Figures as the page shows them. Unknown is a dash in a table and a word in a sentence, never 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.report.document import AttemptEntry, RunFigures, SessionFigures
from pytest_dgbudget.report.shown import ESTIMATE, shown_seconds, shown_usd
from pytest_dgbudget.units import format_usd

UNKNOWN = "\u2013"  # a dash

Shown: TypeAlias = "Callable[[float | None], str]"


def time(seconds: float | None) -> str:
    """Return seconds, with two decimals as everywhere."""
    return shown_seconds(seconds, UNKNOWN)


def money(dollars: float | None) -> str:
    """Return dollars, with the four decimals that a short session needs."""
    return shown_usd(dollars, UNKNOWN)


def exact_money(dollars: float) -> str:
    """Return an amount that somebody chose, as short as it can be written."""
    return format_usd(round(1_000_000 * dollars))


def latency(milliseconds: int | None) -> str:
    """Return milliseconds."""
    return UNKNOWN if milliseconds is None else f"{milliseconds:,} ms"


def count(number: int | None) -> str:
    """Return a count."""
    return UNKNOWN if number is None else f"{number:,}"


def share(part: float, of: float) -> str:
    """Return a share in whole percent; of nothing, everything."""
    return f"{part / of:.0%}" if of else "100%"


def change(value: float) -> str:
    """Return a change with its sign, in whole percent."""
    return f"{value:+.0%}"


def instant(text: str | None) -> str:
    """Return an instant in UTC to the second; what is none, as it is."""
    if text is None:
        return UNKNOWN
    moment = read_instant(text)
    return text if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def own_cost(figures: AttemptEntry | SessionFigures | RunFigures) -> str:
    """Return a cost at our prices, marked where it is the highest that it may be."""
    return f"{ESTIMATE if figures.get('estimated') else ''}{money(figures['cost_usd'])}"
