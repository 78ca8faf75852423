"""The project's reusable agents, and the variables that are filled into them.

Facts: the vendor's OpenAPI file of 2026-07-22, its page "Reusable Agent Configurations" (a variable stands for any JSON
value) and what a partner found live (E3: the list is bare, its ids are ``agent_uuid``, metadata is needed). How a
variable is written in an agent is not in what could be read: all of ``DG_NAME``, ``{{DG_NAME}}`` and ``${DG_NAME}`` are
filled in, if there is such a variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from pytest_dgbudget.emulator.project.clock import Clock

AgentTable = Mapping[str, Mapping[str, Any]]  # by their id, as UUIDs are written; each as `agent` in Settings
VARIABLE = re.compile(r"DG_[A-Z0-9_]+")
_WRITTEN = re.compile(r"\{\{\s*(DG_[A-Z0-9_]+)\s*\}\}|\$\{(DG_[A-Z0-9_]+)\}|\b(DG_[A-Z0-9_]+)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAgent:
    """An agent as it was stored: its variables are not filled in."""

    id: str
    config: Mapping[str, Any]
    metadata: Mapping[str, str]
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A value for agents, by a name that begins with ``DG_``."""

    id: str
    key: str
    value: Any
    created: datetime
    updated: datetime


class Agents:
    """What the management API keeps of both. ``given`` are there from the start."""

    def __init__(self, clock: Clock, given: AgentTable, variables: Mapping[str, Any]) -> None:
        self._clock = clock
        self._stored: dict[str, StoredAgent] = {}
        self._variables: dict[str, Variable] = {}
        for agent_id, config in given.items():
            self.store(config, {}, agent_id=agent_id)
        for key, value in variables.items():
            self.set_variable(key, value)

    def stored(self) -> list[StoredAgent]:
        return list(self._stored.values())

    def get(self, agent_id: str) -> StoredAgent | None:
        return self._stored.get(agent_id)

    def store(
        self, config: Mapping[str, Any], metadata: Mapping[str, str], *, agent_id: str | None = None
    ) -> StoredAgent:
        now = self._clock.now()
        agent = StoredAgent(id=agent_id or str(uuid4()), config=config, metadata=metadata, created=now, updated=now)
        self._stored[agent.id] = agent
        return agent

    def label(self, agent: StoredAgent, metadata: Mapping[str, str]) -> StoredAgent:
        """Replace an agent's metadata: all of it that can be changed."""
        self._stored[agent.id] = replace(agent, metadata=metadata, updated=self._clock.now())
        return self._stored[agent.id]

    def delete(self, agent: StoredAgent) -> None:
        del self._stored[agent.id]

    def variables(self) -> list[Variable]:
        return list(self._variables.values())

    def variable(self, variable_id: str) -> Variable | None:
        return self._variables.get(variable_id)

    def set_variable(self, key: str, value: Any, before: Variable | None = None) -> Variable:
        """Make a variable, or change the value of one."""
        now = self._clock.now()
        if before is None:
            variable = Variable(id=str(uuid4()), key=key, value=value, created=now, updated=now)
        else:
            variable = replace(before, value=value, updated=now)
        self._variables[variable.id] = variable
        return variable

    def delete_variable(self, variable: Variable) -> None:
        del self._variables[variable.id]

    def values(self) -> Mapping[str, Any]:
        """Return what each variable stands for."""
        return {variable.key: variable.value for variable in self._variables.values()}


class AgentLookup:
    """Finds the agents that one session may name: those of the project, and those of its scenario."""

    def __init__(self, agents: Agents, scripted: AgentTable, variables: Mapping[str, Any]) -> None:
        self._agents = agents
        self._scripted = scripted
        self._variables = variables

    def find(self, agent_id: str) -> Mapping[str, Any] | None:
        """Return an agent with its variables filled in."""
        stored = self._agents.get(agent_id)
        config = self._scripted.get(agent_id) or (None if stored is None else stored.config)
        if config is None:
            return None
        filled: Mapping[str, Any] = filled_in(config, {**self._agents.values(), **self._variables})
        return filled

    @property
    def described(self) -> str:
        """What there is instead of an agent that was not found."""
        count = len({*self._scripted, *(each.id for each in self._agents.stored())})
        return f"the emulator has {count} reusable agents, not this one; --agents, a scenario or the API adds some"


def filled_in(template: Any, values: Mapping[str, Any]) -> Any:
    """Return a value with its variables filled in; one that is all of a text may become any value."""
    if isinstance(template, str):
        whole = _WRITTEN.fullmatch(template)
        if whole and _name(whole) in values:
            return values[_name(whole)]
        return _WRITTEN.sub(lambda match: str(values.get(_name(match), match[0])), template)
    if isinstance(template, Mapping):
        return {key: filled_in(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled_in(value, values) for value in template]
    return template


def _name(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)
