"""What the management API says a project has left."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.deepgram.balances import balance_in
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.rules.credit import Balance

DOLLARS = {"amount": 12.5, "units": "USD"}


@pytest.mark.parametrize(
    ("balances", "found"),
    [
        ([DOLLARS, {"amount": 0.25, "units": "USD"}], Balance(micro_usd=12_750_000)),
        ([{"amount": -1, "units": "USD"}], Balance(micro_usd=-1_000_000)),
        ([], Balance(micro_usd=None)),
        ([{"amount": 40, "units": "hour"}], Balance(micro_usd=None, other_units=("hour",))),
        ([DOLLARS, {"amount": 40, "units": "hour"}], Balance(micro_usd=12_500_000, other_units=("hour",))),
        ([{"amount": "12", "units": "USD"}], Balance(micro_usd=None, other_units=("an unknown unit",))),
        ([{"amount": True, "units": "USD"}, {}], Balance(micro_usd=None, other_units=("an unknown unit",))),
        ([{"amount": 1, "units": "\x1b[2J"}], Balance(micro_usd=None, other_units=("an unknown unit",))),
    ],
)
def test_amounts_in_dollars_are_added_up_and_others_named(balances: list[Any], found: Balance) -> None:
    assert balance_in({"balances": balances}) == found


def test_an_answer_without_balances_says_nothing() -> None:
    with pytest.raises(ReconciliationError):
        balance_in({"error": "no"})
