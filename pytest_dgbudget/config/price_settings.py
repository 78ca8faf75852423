"""``[prices]`` of dgbudget.toml, and the same from a hook: US dollars a minute by tier, and the day of these prices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from pytest_dgbudget.config.toml_text import TomlText, as_written
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.model import TIERS

_TABLE = "prices"
_AS_OF = "as_of"
_HIGHEST_USD = 1000
_MICRO_USD = Decimal("0.000001")
# Of our own: a test may change the process's.
_ARITHMETIC = Context(prec=28, rounding=ROUND_HALF_UP, traps=[])


def read_prices(toml: TomlText) -> dict[str, Any]:
    """Return ``prices`` in micro-dollars a minute, by tier, and ``prices_as_of``; raises SettingsError."""
    given = toml.table(_TABLE)
    toml.refuse_other_keys((_TABLE,), given, [_AS_OF, *TIERS])
    prices = {tier: _micro_usd(toml, tier, given[tier]) for tier in TIERS if tier in given}
    as_of = _iso_date(toml, given[_AS_OF]) if _AS_OF in given else None
    return {"prices": prices, "prices_as_of": as_of}


def prices_in(table: object, name: str) -> dict[str, Any]:
    """Return the same for a table that ``name`` has returned; raises SettingsError."""
    if not isinstance(table, Mapping):
        raise SettingsError(f"{name} returned {type(table).__name__}; accepted: a mapping of [prices], or None")
    values = {str(key): Decimal(str(value)) if isinstance(value, float) else value for key, value in table.items()}
    return read_prices(TomlText.of_values(name, {_TABLE: values}))


def _micro_usd(toml: TomlText, tier: str, value: object) -> int:
    """Return a price, rounded half up from the decimal digits that were written."""
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    usd = Decimal(value) if is_number else Decimal("nan")  # type: ignore[arg-type]
    if usd.is_nan() or not 0 <= usd <= _HIGHEST_USD:
        raise toml.error(
            (_TABLE, tier),
            f"{tier} = {as_written(value)} is not a price; accepted: US dollars a minute, a number from 0 to "
            f"{_HIGHEST_USD}, such as 0.075",
        )
    return int(_ARITHMETIC.quantize(usd, _MICRO_USD).scaleb(6, _ARITHMETIC))


def _iso_date(toml: TomlText, value: object) -> str:
    day = _day(value)
    if day is None:
        raise toml.error(
            (_TABLE, _AS_OF), f"{_AS_OF} = {as_written(value)} is not a date; accepted: a date such as 2026-11-01"
        )
    return day.isoformat()


def _day(value: object) -> date | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None
