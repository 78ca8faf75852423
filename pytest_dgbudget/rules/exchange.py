"""What an amount in one currency comes to in the other, at the highest known price."""

from __future__ import annotations

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.model import Currency
from pytest_dgbudget.rules.meter import money_lasts_ms
from pytest_dgbudget.rules.prices import PriceTable, price_of
from pytest_dgbudget.units import MINUTE_MS, WrongCurrency, format_time, format_usd

_HOUR_MS = 60 * MINUTE_MS


def worth(amount: int, currency: Currency, prices: PriceTable) -> str:
    """Say how long money lasts, or what time costs; amounts are millionths of a dollar or milliseconds."""
    highest = prices.highest()
    price = f"at {format_usd(highest)} a minute, the highest known price"
    if currency == "time":
        return f"{format_time(amount)} costs up to {format_usd(price_of(amount, highest))} {price}"
    lasts_ms = money_lasts_ms(amount, [highest])
    if lasts_ms is None:
        return f"{format_usd(amount)} lasts for ever {price}"
    return f"{format_usd(amount)} lasts about {format_time(_rounded_down(lasts_ms))} {price}"


def explained(error: WrongCurrency, prices: PriceTable) -> SettingsError:
    """Return an error that also says what the amount comes to in the currency that was wanted."""
    return SettingsError(f"{error}; {worth(error.amount, error.currency, prices)}")


def _rounded_down(milliseconds: int) -> int:
    """Leave out seconds beside hours, and parts of seconds beside minutes."""
    unit = MINUTE_MS if milliseconds >= _HOUR_MS else 1000 if milliseconds >= MINUTE_MS else 10
    return milliseconds // unit * unit
