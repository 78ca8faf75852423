"""Whether the project's balance covers what a run may spend. Money is millionths of a dollar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_dgbudget.rules.budget import Scope
from pytest_dgbudget.rules.budget_names import budget_name
from pytest_dgbudget.rules.prices import price_of
from pytest_dgbudget.units import format_amount, format_usd, rounded_up

_CENT = 10_000
_WHERE = "look it up in Deepgram's console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a project has left: ``micro_usd`` is None where no amount is in dollars.

    ``other_units`` are those of the other amounts, which can't be compared with a price.
    """

    micro_usd: int | None
    other_units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MostSpent:
    """The most that a run may still spend, and the budget that says so."""

    micro_usd: int
    scope: Scope


def most_spent(scopes: Sequence[Scope], highest_price: int) -> MostSpent | None:
    """Return what the tightest of a run's budgets leaves it, time at the highest known price; None without a budget."""
    found = [MostSpent(micro_usd=_worth(scope, highest_price), scope=scope) for scope in scopes]
    return min(found, key=lambda each: each.micro_usd, default=None)


def credit_problem(balance: Balance, most: MostSpent) -> str | None:
    """Say why the balance is not known to cover what a run may spend, and what to do; None where it does."""
    if balance.micro_usd is not None and balance.micro_usd >= most.micro_usd:
        return None
    this_run = f"this run may spend {_to_the_cent(most.micro_usd)} ({_source(most.scope)})"
    if balance.other_units:
        units = " and ".join(balance.other_units)
        return f"the project's balance is in {units}, which says nothing in US dollars, and {this_run}: {_WHERE}"
    if balance.micro_usd is None:
        return f"Deepgram shows no balance of the project, and {this_run}: {_WHERE}"
    lower = "dgbudget.toml" if most.scope.name == "window" else "--dg-budget or --dg-cost-budget"
    return (
        f"the project's balance is {format_usd(balance.micro_usd // _CENT * _CENT)}, and {this_run}: add credit in "
        f"Deepgram's console, or lower the budget ({lower})"
    )


def _worth(scope: Scope, highest_price: int) -> int:
    left = max(0, scope.left)
    return left if scope.currency == "money" else price_of(left, highest_price)


def _source(scope: Scope) -> str:
    left = format_amount(max(0, scope.left), scope.currency)
    at_price = ", at the highest price" if scope.currency == "time" else ""
    return f"{left} is left of its {budget_name(scope.name, scope.label)}{at_price}"


def _to_the_cent(micro_usd: int) -> str:
    return format_usd(rounded_up(micro_usd, _CENT) * _CENT)
