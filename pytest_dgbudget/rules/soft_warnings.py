"""What is worth a warning and fails nothing: budgets nearly used up, prices and cassettes that are old. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from pytest_dgbudget.rules.budget_names import budget_name_with_glob
from pytest_dgbudget.units import counted, format_age, format_amount, format_period

if TYPE_CHECKING:
    from pytest_dgbudget.model import Currency, ScopeName

# A budget warns from this share on, in percent, until it is exceeded: an overrun says the rest.
_WARNS_FROM = 80
# The vendor changes its prices about once a year.
_FRESH_DAYS = 180
_MOST_CASSETTES = 3


class UsedBudget(NamedTuple):
    """A budget that tests share, and what is used of it: milliseconds, or micro-dollars where it is in money.

    ``label`` says which, where a scope can have several: the period of a window, the glob of a path. ``has_overrun``:
    it has cut or refused a session.
    """

    scope: ScopeName
    currency: Currency
    used: int
    allowed: int
    label: str = ""
    has_overrun: bool = False


def nearly_used_up(budgets: Iterable[UsedBudget]) -> list[tuple[ScopeName, str]]:
    """Return, with its scope, a sentence for each budget that is nearly used up and of which no overrun says so."""
    return [(budget.scope, _sentence(budget)) for budget in budgets if _is_nearly_used_up(budget)]


def old_prices(as_of: str, days: int) -> str | None:
    """Return a sentence on prices of the day ``as_of``, so many days ago; None where they are not old."""
    if days <= _FRESH_DAYS:
        return None
    return f"the prices are {days} days old ({as_of}): set those of today, with as_of, in [prices] of dgbudget.toml"


def prices_to_come(as_of: str, days: int) -> str | None:
    """Return a sentence on prices of the day ``as_of`` that lies ahead, where ``days`` is below 0; None otherwise.

    Where the clock is furthest ahead of UTC, tomorrow has begun.
    """
    if days >= -1:
        return None
    return f"the prices are of a day to come, {as_of}: set as_of in [prices] of dgbudget.toml to the day they are from"


class UsedCassette(NamedTuple):
    """A cassette that a test replayed, by its folder, and how many milliseconds ago it was recorded."""

    name: str
    age_ms: int
    nodeid: str


def old_cassettes(used: Iterable[UsedCassette], max_age_ms: int) -> str | None:
    """Return a sentence on the cassettes that are older than they may be, the oldest first; None where none is."""
    from pytest_dgbudget.rules.mismatches import records_again  # a run without cassettes doesn't load it

    old = sorted({each for each in used if each.age_ms > max_age_ms}, key=lambda each: (-each.age_ms, each.name))
    if not old:
        return None
    named = ", ".join(f"{each.name} ({format_age(each.age_ms)})" for each in old[:_MOST_CASSETTES])
    more = f" and {len(old) - _MOST_CASSETTES:,} more" if len(old) > _MOST_CASSETTES else ""
    is_or_are, them = ("is", "it") if len(old) == 1 else ("are", "these" if more else "them")
    tests = dict.fromkeys(each.nodeid for each in old[:_MOST_CASSETTES])
    return (
        f"{counted(len(old), 'cassette')} {is_or_are} older than {format_period(max_age_ms)} (dg_cassette_max_age): "
        f"{named}{more}; record {them} again with {records_again(tests)}"
    )


def percent_used(used: float, allowed: float) -> str:
    """Return the share in whole percent, rounded; ``allowed`` is not 0."""
    return f"{used / allowed:.0%}"


def warns(used: int, allowed: int) -> bool:
    """Return whether so much is used that it should be known."""
    return used * 100 >= allowed * _WARNS_FROM


def _is_nearly_used_up(budget: UsedBudget) -> bool:
    if budget.has_overrun or not budget.allowed:
        return False
    return budget.used <= budget.allowed and warns(budget.used, budget.allowed)


def _sentence(budget: UsedBudget) -> str:
    share = percent_used(budget.used, budget.allowed)
    allowed, used = format_amount(budget.allowed, budget.currency), format_amount(budget.used, budget.currency)
    return f"{share} of the {budget_name_with_glob(budget.scope, budget.label)} of {allowed} is used: {used}"
