"""``@pytest.mark.dg_budget("30s", idle="10s")``: a test's own budget; and all markers' errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from pytest_dgbudget.config.parsing import time_or_off
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.plugin.options import MARKER
from pytest_dgbudget.plugin.scenarios import own_scenario
from pytest_dgbudget.plugin.state import STATE


@dataclass(frozen=True, slots=True)
class OwnBudget:
    """Milliseconds; None is off."""

    budget_ms: int | None
    idle_ms: int | None


def own_budget(item: pytest.Item, run_config: RunConfig) -> OwnBudget:
    """Return a test's own budget: from the nearest marker that sets it, else from the run_config.

    Raises SettingsError for a bad marker.
    """
    times: dict[str, int | None] = {}
    for marker in item.iter_markers(MARKER):
        times = {**_read(marker), **times}
    return OwnBudget(times.get("time", run_config.test_budget_ms), times.get("idle", run_config.idle_ms))


def _read(marker: pytest.Mark) -> dict[str, int | None]:
    given = dict(marker.kwargs)
    if len(marker.args) > 1 or (marker.args and "time" in given):
        raise SettingsError(f"{_shown(marker)} has more than one time")
    if marker.args:
        given["time"] = marker.args[0]
    unknown = sorted(given.keys() - {"time", "idle"})
    if unknown or not given:
        what = f"does not know {unknown[0]!r}" if unknown else "is empty"
        raise SettingsError(f'{_shown(marker)} {what}; accepted: {MARKER}("30s"), idle="10s", or "off"')
    return {name: _time(marker, value) for name, value in given.items()}


def _time(marker: pytest.Mark, value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SettingsError(f"{_shown(marker)}: {value!r} is not a time")
    try:
        return time_or_off(value if isinstance(value, str) else f"{value:.12g}")
    except (SettingsError, OverflowError) as error:
        raise SettingsError(f"{_shown(marker)}: {error}") from None


def _shown(marker: pytest.Mark) -> str:
    arguments = [*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())]
    return f"@pytest.mark.{MARKER}({', '.join(arguments)})"


def check_markers(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Fail each test with a bad marker, and none but those: in its setup, or where only collected, as an error."""
    state = config.stash[STATE]
    bad = {item.nodeid: reason for item in items if (reason := _what_is_bad(item, state.run_config)) is not None}
    if not bad:
        return
    if config.getoption("collectonly", False):
        for nodeid, reason in bad.items():
            report = pytest.CollectReport(nodeid=nodeid, outcome="failed", longrepr=reason, result=[])
            config.hook.pytest_collectreport(report=report)
    else:
        config.pluginmanager.register(_BadMarkers(bad), "dgbudget-bad-markers")


def _what_is_bad(item: pytest.Item, run_config: RunConfig) -> str | None:
    try:
        own_budget(item, run_config)
        own_scenario(item, run_config)
    except SettingsError as error:
        return f"{item.nodeid}: {error}"
    return None


class _BadMarkers:
    """Fails these tests before anything of theirs is set up."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self._reasons = reasons

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if (reason := self._reasons.get(item.nodeid)) is not None:
            pytest.fail(reason, pytrace=False)
