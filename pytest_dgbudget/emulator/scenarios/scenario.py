"""What the agent does in a scenario: which turn of the user leads to which steps. Pure.

Scenarios are the emulator's own, not the vendor's. ``toml`` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.codes import Notice
from pytest_dgbudget.emulator.faults.kinds import Fault
from pytest_dgbudget.emulator.project.agents import AgentTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ReusableAgents:
    """Agents that Settings may name by id, and values of the variables in them."""

    agents: AgentTable = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """A function that the client is asked to call; texts in ``arguments`` are templates."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the agent does, in the order of these fields; ``reply`` is a template, ``close`` a WebSocket close code.

    ``send`` is any server message; its texts are templates.
    ``sound`` replaces the emulator's voice; without a ``reply`` nothing is transcribed.
    """

    wait_ms: int = 0
    warn: Notice | None = None
    send: Mapping[str, Any] | None = None
    calls: tuple[ScriptedCall, ...] = ()
    reply: str | None = None
    sound: Sound | None = None
    error: Notice | None = None
    close: int | None = None

    @property
    def speaks(self) -> bool:
        return self.reply is not None or self.sound is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedTurn:
    """Steps that answer a user's turn: one with this text, one that matches this pattern, or any.

    ``times`` is how often in one session; None means always.
    """

    text: str | None = None
    pattern: re.Pattern[str] | None = None
    times: int | None = None
    steps: tuple[Step, ...]

    def match(self, said: str) -> Mapping[str, str] | None:
        """Return the pattern's named groups; None when this turn does not answer what was said."""
        if self.text is not None:
            return {} if self.text.strip().casefold() == said.strip().casefold() else None
        if self.pattern is None:
            return {}
        found = self.pattern.search(said)
        return None if found is None else {name: value or "" for name, value in found.groupdict().items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``turns`` in the order of the file: the first match answers. ``faults`` apply to each of its sessions.

    ``agents``: reusable ones that its sessions may name. ``vendor``: switches, or the name of a set, as the file has
    them. ``hears``: the words of the user's first spoken turn whose audio carries none, of
    the second, and so on.
    """

    name: str
    vendor: Mapping[str, Any] | str = field(default_factory=dict)
    agents: ReusableAgents = ReusableAgents()
    hears: tuple[str, ...] = ()
    turns: tuple[ScriptedTurn, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class MatchedTurn:
    """Steps to run, and the values for their templates by name: ``text`` and the pattern's groups."""

    steps: tuple[Step, ...]
    names: Mapping[str, str]


class Script:
    """A scenario in one session: remembers what was heard and how often each turn was used."""

    def __init__(self, scenario: Scenario) -> None:
        self._hears = iter(scenario.hears)
        self._turns = scenario.turns
        self._used = [0] * len(self._turns)

    def next_transcript(self) -> str | None:
        """Return the words of the user's next spoken turn; None when the scenario has no more."""
        return next(self._hears, None)

    def match(self, said: str) -> MatchedTurn | None:
        """Return what answers this turn of the user; None if the scenario has no answer."""
        for n, turn in enumerate(self._turns):
            groups = turn.match(said) if turn.times is None or self._used[n] < turn.times else None
            if groups is not None:
                self._used[n] += 1
                return MatchedTurn(turn.steps, {**groups, "text": said})
        return None


def fill(template: Any, names: Mapping[str, str]) -> Any:
    """Replace ``{name}`` in every text of a value; unknown names were refused when the file was read."""
    if isinstance(template, str):
        return template.format_map(names)
    if isinstance(template, Mapping):
        return {key: fill(value, names) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, names) for value in template]
    return template
