"""A budget in dgbudget.toml: a TIME, an amount of money, or a list of both."""

from __future__ import annotations

import re
from collections.abc import Callable

from pytest_dgbudget.config.toml_text import Place, TomlText, as_written
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.model import Currency
from pytest_dgbudget.units import parse_time, parse_usd

# By currency: milliseconds, or millionths of a dollar.
Amounts = dict[Currency, int]

_ACCEPTED = 'accepted: a TIME such as "2h", an amount of money such as "$150", or a list of both: ["2h", "$150"]'


def read_amounts(toml: TomlText, place: Place, value: object) -> Amounts:
    """Return what a budget allows; raises SettingsError, also for a number: without a unit it may mean either."""
    amounts: Amounts = {}
    for each in value if isinstance(value, list) else [value]:
        currency, amount = _read(toml, place, each)
        if currency in amounts:
            raise toml.error(place, f"{place[-1]} has two amounts of {currency}; {_ACCEPTED}")
        amounts[currency] = amount
    if not amounts:
        raise toml.error(place, f"{place[-1]} is empty; {_ACCEPTED}")
    return amounts


def _read(toml: TomlText, place: Place, value: object) -> tuple[Currency, int]:
    text = str(value)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise toml.error(place, f'{place[-1]} = {text} has no unit; write "{text}s" for seconds, "${text}" for dollars')
    if not isinstance(value, str):
        raise toml.error(place, f"{place[-1]} = {as_written(value)} is not a budget; {_ACCEPTED}")
    currency, parse = _parser_of(text)
    try:
        return currency, parse(text)
    except SettingsError as error:
        raise toml.error(place, f"{place[-1]}: {error}") from None


def _parser_of(text: str) -> tuple[Currency, Callable[[str], int]]:
    return ("money", parse_usd) if text.startswith("$") else ("time", parse_time)
