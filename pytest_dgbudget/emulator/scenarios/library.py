"""Scenario files, found by ``FILE`` or ``FILE::NAME`` and read again when they have changed; files of agents.

And the scenarios that tests have set for their own sessions.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from pytest_dgbudget.emulator.audio.sound import read_wav
from pytest_dgbudget.emulator.project.agents import VARIABLE
from pytest_dgbudget.emulator.scenarios.scenario import ReusableAgents, Scenario
from pytest_dgbudget.emulator.scenarios.tables import BadScenario
from pytest_dgbudget.emulator.scenarios.toml import parse
from pytest_dgbudget.paths import require_file

_MOST_GRANTS = 1000  # whose scenarios are kept; the oldest are dropped first: their tests have ended


class Library:
    """Keeps the files that ``find`` has read, until they change: it is called for every session."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, int], tuple[Scenario, ...]]] = {}
        self._set: dict[str, Scenario] = {}

    def set_for(self, grant: str, scenario: Scenario | None) -> None:
        """Play this in the sessions of a grant that open from now on; None: what they ask for."""
        self._set.pop(grant, None)
        if scenario is not None:
            self._set[grant] = scenario
        if len(self._set) > _MOST_GRANTS:
            del self._set[next(iter(self._set))]

    def choose(self, grant: str, reference: str | None) -> Scenario | None:
        """Return what a grant's session is played: what its test has set, else what it asks for; raises BadScenario."""
        if grant in self._set:
            return self._set[grant]
        return None if reference is None else self.find(reference)

    def find(self, reference: str) -> Scenario:
        """Return the scenario of this name, or the first of the file if none is named; raises BadScenario."""
        file, _, name = reference.partition("::")
        if "\0" in file:
            raise BadScenario(f"{file!r} names no file: it has a null byte")
        scenarios = self._scenarios(Path(file))
        if not name:
            return scenarios[0]
        for scenario in scenarios:
            if scenario.name == name:
                return scenario
        known = ", ".join(scenario.name for scenario in scenarios)
        raise BadScenario(f"{file} has no scenario {name!r}; it has: {known}")

    def _scenarios(self, path: Path) -> tuple[Scenario, ...]:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if path not in self._read or self._read[path][0] != stamp:
                self._read[path] = stamp, _read(path)
        except OSError as error:
            raise BadScenario(f"the scenario file {path} can't be read: {error.strerror}") from None
        return self._read[path][1]


def _read(path: Path) -> tuple[Scenario, ...]:
    require_file(path)
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadScenario(f"the scenario file {path} is not UTF-8: {error.reason} at byte {error.start}") from None
    return parse(
        source,
        file=str(path),
        read_sound=lambda name: read_wav(path.parent / name),
        read_agents=lambda name: read_agents(path.parent / name),
    )


def read_agents(path: Path) -> ReusableAgents:
    """Return the agents of a file, and its ``variables``; raises ValueError with the reason."""
    try:
        require_file(path)
        given = json.loads(path.read_bytes())
        if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
            raise ValueError("it is not a JSON object of objects")
        variables = given.pop("variables", {})
        wrong = next((key for key in variables if not VARIABLE.fullmatch(key)), None)
        if wrong is not None:
            raise ValueError(f"the variable {wrong!r} is not named like DG_NAME, in capital letters")
        agents = {str(uuid.UUID(agent_id)): agent for agent_id, agent in given.items()}
        return ReusableAgents(agents=agents, variables=variables)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"can't read reusable agents from {path}: {error}") from None
