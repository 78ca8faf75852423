"""A scenario that a test gives as a table, the same as in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_dgbudget.emulator.audio.sound import read_wav
from pytest_dgbudget.emulator.scenarios.library import read_agents
from pytest_dgbudget.emulator.scenarios.reader import ScenarioReader
from pytest_dgbudget.emulator.scenarios.scenario import Scenario
from pytest_dgbudget.emulator.scenarios.tables import Place


def read_given(table: Mapping[str, Any], folder: Path) -> Scenario:
    """Return the scenario of a table whose paths are relative to ``folder``; raises BadScenario."""
    reader = ScenarioReader(
        GivenTable(),
        read_sound=lambda name: read_wav(folder / name),
        read_agents=lambda name: read_agents(folder / name),
    )
    return reader.scenario(table, ())


class GivenTable:
    """The Origin of a table that is given: places are written like ``turn[1].then[0].reply``."""

    def where(self, place: Place) -> str:
        written = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
        return "".join(written).removeprefix(".")

    def table(self, **example: Any) -> str:
        return json.dumps(example, ensure_ascii=False).replace("{}", "{…}")

    def tables(self, _place: Place) -> str:
        return "[{…}, {…}]"
