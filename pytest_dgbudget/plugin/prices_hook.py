"""``pytest_dgbudget_prices``: a table of prices over the shipped one and under ``[prices]`` of dgbudget.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pytest_dgbudget.config.price_settings import prices_in
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.plugin.hook_calls import HookFailed
from pytest_dgbudget.plugin.state import STATE

_HOOK = "pytest_dgbudget_prices"


def prices_of_hooks(config: pytest.Config) -> Callable[[RunConfig], RunConfig]:
    """Ask the hooks for their prices, and return what puts them into a configuration.

    Where several name one tier, the first in the order of their calls counts. One that raises or hangs is left out, and
    reported at the end of the run. Raises UsageError for a table that is wrong.
    """
    calls = config.stash[STATE].calls_of_hooks(config)
    tables = []
    for implementation in calls.implementations(config.hook, _HOOK):
        try:
            answer = calls.answer(implementation)
        except HookFailed:
            continue
        if answer is not None:
            tables.append(_checked(answer, implementation.plugin))
    return lambda run_config: _with_prices(run_config, tables)


def _checked(answer: object, plugin: str) -> dict[str, Any]:
    try:
        return prices_in(answer, f"{_HOOK} in {plugin}")
    except SettingsError as error:
        raise pytest.UsageError(f"pytest-dgbudget: {error}") from None


def _with_prices(run_config: RunConfig, tables: list[dict[str, Any]]) -> RunConfig:
    prices: Mapping[str, int] = run_config.prices
    as_of = run_config.prices_as_of
    for table in tables:
        prices = {**table["prices"], **prices}
        as_of = as_of or table["prices_as_of"]
    return RunConfig(**{**vars(run_config), "prices": prices, "prices_as_of": as_of})
