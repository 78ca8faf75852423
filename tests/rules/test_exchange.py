"""What an amount comes to in the other currency."""

from __future__ import annotations

import pytest

from pytest_dgbudget.model import TIERS, Currency
from pytest_dgbudget.rules.exchange import explained, worth
from pytest_dgbudget.rules.prices import SHIPPED, price_table
from pytest_dgbudget.units import WrongCurrency

FREE = price_table(dict.fromkeys(TIERS, 0), None)


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        (150_000_000, "money", "$150 lasts about 15h20m at $0.163 a minute, the highest known price"),
        (500_000, "money", "$0.50 lasts about 3m4s at $0.163 a minute, the highest known price"),
        (10_000, "money", "$0.01 lasts about 3.68s at $0.163 a minute, the highest known price"),
        (600_000, "time", "10m costs up to $1.63 at $0.163 a minute, the highest known price"),
    ],
)
def test_money_lasts_and_time_costs_at_the_highest_known_price(amount: int, currency: Currency, said: str) -> None:
    assert worth(amount, currency, SHIPPED) == said


def test_the_price_is_that_of_the_table() -> None:
    assert "1h at $0.50 a minute" in worth(30_000_000, "money", price_table({"advanced": 500_000}, None))
    assert "lasts for ever at $0 a minute" in worth(1, "money", FREE)
    assert "costs up to $0 at" in worth(1, "time", FREE)


def test_an_error_about_the_wrong_currency_says_what_it_comes_to() -> None:
    error = explained(WrongCurrency("--dg-budget: '$150' is an amount of money", "money", 150_000_000), SHIPPED)
    assert str(error).startswith("--dg-budget: '$150' is an amount of money; $150 lasts about 15h20m at ")
