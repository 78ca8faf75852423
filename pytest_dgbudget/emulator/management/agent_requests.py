"""Reusable agents and their variables over HTTP (vendor's OpenAPI file of 2026-07-22).

What a partner found live (E3) goes before the file: an agent needs metadata, and the list is bare, with ``agent_uuid``;
``Style.bare_agents`` decides about the latter. The emulator's choices: an agent's configuration is checked when a
session names it, a variable's name must be like DG_NAME, and two variables can't have one name.
"""

from __future__ import annotations

import json
from typing import Any

from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.body import Body, bad
from pytest_dgbudget.emulator.management.request import AuthorizedRequest
from pytest_dgbudget.emulator.project.agents import VARIABLE, StoredAgent, Variable
from pytest_dgbudget.instants import write_instant


def list_agents(request: AuthorizedRequest) -> Any:
    agents = request.project.agents.stored()
    if request.style.bare_agents:
        return [{"agent_uuid": agent.id, **_content(agent), **_times(agent)} for agent in agents]
    return {"agents": [_agent(agent) for agent in agents]}


def create_agent(request: AuthorizedRequest) -> dict[str, Any]:
    body = Body(request.body)
    agent = request.project.agents.store(_config(body), _metadata(body))
    return {"agent_id": agent.id, **_content(agent)}


def get_agent(request: AuthorizedRequest) -> dict[str, Any]:
    return _agent(_find_agent(request))


def update_agent(request: AuthorizedRequest) -> dict[str, Any]:
    agent = _find_agent(request)
    return _agent(request.project.agents.label(agent, _metadata(Body(request.body))))


def delete_agent(request: AuthorizedRequest) -> dict[str, Any]:
    request.project.agents.delete(_find_agent(request))
    return {}


def list_variables(request: AuthorizedRequest) -> dict[str, Any]:
    return {"variables": [_variable(each) for each in request.project.agents.variables()]}


def create_variable(request: AuthorizedRequest) -> dict[str, Any]:
    body, agents = Body(request.body), request.project.agents
    key = body.text("key") or ""
    if not VARIABLE.fullmatch(key):
        raise bad("key", "is required and must be like DG_NAME, in capital letters")
    if key in agents.values():
        raise bad("key", "names a variable that exists already")
    return _variable(agents.set_variable(key, _value(body)))


def get_variable(request: AuthorizedRequest) -> dict[str, Any]:
    return _variable(_find_variable(request))


def update_variable(request: AuthorizedRequest) -> dict[str, Any]:
    variable = _find_variable(request)
    return _variable(request.project.agents.set_variable(variable.key, _value(Body(request.body)), variable))


def delete_variable(request: AuthorizedRequest) -> dict[str, Any]:
    request.project.agents.delete_variable(_find_variable(request))
    return {}


def _config(body: Body) -> dict[str, Any]:
    """Return the agent that a JSON text in the body has."""
    text = body.text("config")
    try:
        config = json.loads(text or "")
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise bad("config", "is required and must be the JSON text of an object")
    return config


def _metadata(body: Body) -> dict[str, str]:
    metadata = body.value("metadata")
    if not isinstance(metadata, dict) or not all(isinstance(each, str) for each in metadata.values()):
        raise bad("metadata", "is required and must be an object of strings")
    return metadata


def _value(body: Body) -> Any:
    value = body.value("value")
    if value is None:
        raise bad("value", "is required")
    return value


def _agent(agent: StoredAgent) -> dict[str, Any]:
    return {"agent_id": agent.id, **_content(agent), **_times(agent)}


def _content(agent: StoredAgent) -> dict[str, Any]:
    return {"config": agent.config, "metadata": agent.metadata}


def _variable(variable: Variable) -> dict[str, Any]:
    return {"variable_id": variable.id, "key": variable.key, "value": variable.value, **_times(variable)}


def _times(of: StoredAgent | Variable) -> dict[str, str]:
    return {"created_at": write_instant(of.created), "updated_at": write_instant(of.updated)}


def _find_agent(request: AuthorizedRequest) -> StoredAgent:
    agent = request.project.agents.get(request.ids[0])
    if agent is None:
        raise Refusal(404, "AGENT_NOT_FOUND", "Agent not found.")  # the emulator's choice, after PROJECT_NOT_FOUND
    return agent


def _find_variable(request: AuthorizedRequest) -> Variable:
    variable = request.project.agents.variable(request.ids[0])
    if variable is None:
        raise Refusal(404, "VARIABLE_NOT_FOUND", "Variable not found.")  # the emulator's choice
    return variable
