"""Scenarios in a TOML file. Pure."""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.emulator.scenarios.reader import ReadAgents, ReadSound, ScenarioReader
from pytest_dgbudget.emulator.scenarios.scenario import Scenario
from pytest_dgbudget.emulator.scenarios.source import BadSource, line_of, read_source
from pytest_dgbudget.emulator.scenarios.tables import BadScenario, Place


def parse(source: str, *, file: str, read_sound: ReadSound, read_agents: ReadAgents) -> tuple[Scenario, ...]:
    """Return the scenarios of a file's text; raises BadScenario. The readers are those of ScenarioReader."""
    try:
        data = read_source(source)
    except BadSource as error:
        raise BadScenario(f"{file}, {error}") from None
    reader = ScenarioReader(TomlFile(file, source), read_sound, read_agents)
    reader.known(data, ("scenario",), ())
    found: list[Scenario] = []
    for table, place in reader.tables(data, "scenario", ()):
        scenario = reader.scenario(table, place)
        if not scenario.name:
            reader.fail((*place, "name"), "a scenario needs a name")
        if any(scenario.name == each.name for each in found):
            reader.fail((*place, "name"), f"{scenario.name!r} names two scenarios")
        found.append(scenario)
    if not found:
        reader.fail(("scenario",), "the file has none; a scenario begins with [[scenario]]")
    return tuple(found)


class TomlFile:
    """The Origin of a file's tables: places are its name, the line, and the table and key as TOML names them."""

    def __init__(self, file: str, source: str) -> None:
        self._file = file
        self._source = source

    def where(self, place: Place) -> str:
        line = self._line(place)
        return f"{self._file}, line {line}, {_dotted(place)}"

    def table(self, **example: Any) -> str:
        return f"{{ {', '.join(f'{key} = {_written(value)}' for key, value in example.items())} }}"

    def tables(self, place: Place) -> str:
        return f"begin each with [[{_dotted(place)}]]"

    def _line(self, place: Place) -> int:
        """Return the line of a value; where there is none, of the table that lacks it."""
        while place:
            line = line_of(self._source, place)
            if line is not None:
                return line
            place = place[:-1]
        return 1


def _dotted(place: Place) -> str:
    return ".".join(part for part in place if isinstance(part, str))


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{ … }"
    return f'"{value}"' if isinstance(value, str) else str(value)
