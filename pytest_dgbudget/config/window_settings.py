"""``[window]`` and ``[project]`` of dgbudget.toml: what all billed runs of a ledger share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pytest_dgbudget.config.amounts import read_amounts
from pytest_dgbudget.config.toml_text import TomlText, as_written
from pytest_dgbudget.model import Period, WindowBudget

_WINDOW, _PROJECT = "window", "project"
_REQUIRE_HISTORY = "require_history"
_SESSIONS = "sessions"
_PERIODS: tuple[Period, ...] = get_args(Period)


def read_windows(toml: TomlText) -> dict[str, Any]:
    """Return ``windows``, the shorter period first, and ``require_history``; raises SettingsError."""
    given = toml.table(_WINDOW)
    toml.refuse_other_keys((_WINDOW,), given, [*_PERIODS, _REQUIRE_HISTORY])
    windows = tuple(
        WindowBudget(period=period, currency=currency, allowed=allowed)
        for period in _PERIODS
        if period in given
        for currency, allowed in read_amounts(toml, (_WINDOW, period), given[period]).items()
    )
    require_history = _requires_history(toml, given)
    if require_history and not windows:
        raise toml.error(
            (_WINDOW, _REQUIRE_HISTORY),
            f"{_REQUIRE_HISTORY} = true, and there is no window that could have one: add "
            f"{' or '.join(_PERIODS)} to [{_WINDOW}]",
        )
    return {"windows": windows, "require_history": require_history}


def _requires_history(toml: TomlText, given: Mapping[str, Any]) -> bool:
    requires = given.get(_REQUIRE_HISTORY, False)
    if not isinstance(requires, bool):
        raise toml.error(
            (_WINDOW, _REQUIRE_HISTORY), f"{_REQUIRE_HISTORY} = {as_written(requires)} is neither true nor false"
        )
    return requires


def read_sessions(toml: TomlText) -> dict[str, Any]:
    """Return ``project_sessions``, None where it is not set; raises SettingsError."""
    given = toml.table(_PROJECT)
    toml.refuse_other_keys((_PROJECT,), given, [_SESSIONS])
    sessions = given.get(_SESSIONS)
    if sessions is not None and (not isinstance(sessions, int) or isinstance(sessions, bool) or sessions < 1):
        raise toml.error((_PROJECT, _SESSIONS), f"{_SESSIONS} = {as_written(sessions)} is not a whole number from 1 on")
    return {"project_sessions": sessions}
