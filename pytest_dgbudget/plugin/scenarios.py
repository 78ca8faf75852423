"""``@pytest.mark.dg_scenario("orders.toml", name="refund")``: what the emulator plays to a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.plugin.options import SCENARIO_MARKER


def own_scenario(item: pytest.Item, run_config: RunConfig) -> str | None:
    """Return a test's scenario, FILE or FILE::NAME: the nearest marker's, else that of the run_config.

    Raises SettingsError for a bad marker. Whether the file can be played, the emulator says.
    """
    marker = item.get_closest_marker(SCENARIO_MARKER)
    if marker is None:
        return run_config.scenario
    file, name = _arguments(marker)
    if file is not None:
        path = str(item.config.invocation_params.dir / file)
    elif run_config.scenario is not None:
        path = run_config.scenario.partition("::")[0]
    else:
        raise SettingsError(f"{_shown(marker)} names no file, and neither does the ini key dg_scenario")
    if not Path(path).is_file():
        advice = f"; a scenario is named by name=, as in {SCENARIO_MARKER}('FILE', name='NAME')" if "::" in path else ""
        raise SettingsError(f"{_shown(marker)}: there is no file {path}{advice}")
    return path if name is None else f"{path}::{name}"


def _arguments(marker: pytest.Mark) -> tuple[str | Path | None, str | None]:
    given: dict[str, Any] = dict(marker.kwargs)
    if marker.args:
        given["file"] = marker.args[0]
    file, name = given.pop("file", None), given.pop("name", None)
    bad = given or len(marker.args) > 1 or (marker.args and "file" in marker.kwargs) or (file is None and name is None)
    if bad or not isinstance(file, (str, Path, type(None))) or not isinstance(name, (str, type(None))):
        raise SettingsError(f'{_shown(marker)} is not understood; accepted: {SCENARIO_MARKER}("FILE", name="NAME")')
    return file, name


def _shown(marker: pytest.Mark) -> str:
    arguments = [*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())]
    return f"@pytest.mark.{SCENARIO_MARKER}({', '.join(arguments)})"
