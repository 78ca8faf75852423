"""What a project has left to spend, as the management API says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_dgbudget.deepgram.project import ProjectApi
from pytest_dgbudget.deepgram.rows import objects_in
from pytest_dgbudget.rules.credit import Balance

_DOLLARS = "USD"
_LONGEST_UNIT = 20


class BalancesApi(ProjectApi):
    """Reads the balances of one project."""

    def balance(self) -> Balance:
        """Return all that is left, in whatever units it is; raises ReconciliationError."""
        return balance_in(self._get("the balances", self._path("balances"), scope="billing:read"))


def balance_in(answer: Mapping[str, Any]) -> Balance:
    """Add up the balances of an answer that are in dollars; raises ReconciliationError where it has no list of them."""
    balances = objects_in(answer, "balances")
    amounts = [_micro_usd(each) for each in balances]
    known = [amount for amount in amounts if amount is not None]
    others = [each for each, amount in zip(balances, amounts, strict=True) if amount is None]
    return Balance(micro_usd=sum(known) if known else None, other_units=_units_of(others))


def _units_of(balances: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what their amounts are in, as far as that is a word."""
    units = (each.get("units") for each in balances)
    words = (unit if isinstance(unit, str) and unit.isalpha() and unit != _DOLLARS else "" for unit in units)
    return tuple(dict.fromkeys(word[:_LONGEST_UNIT] or "an unknown unit" for word in words))


def _micro_usd(balance: Mapping[str, Any]) -> int | None:
    amount = balance.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or balance.get("units") != _DOLLARS:
        return None
    return round(amount * 1_000_000) if math.isfinite(amount) else None
