"""The management API: its operations and the scopes they need.

Forms are those of the vendor's OpenAPI file of 2026-07-22, errors those of its page "Errors"; the 403 for a missing
scope is quoted from people who got one. The scope that an operation needs is inferred from the scopes' names: the
vendor documents none.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.http import Answer, Refusal, Request
from pytest_dgbudget.emulator.management.agent_requests import (
    create_agent,
    create_variable,
    delete_agent,
    delete_variable,
    get_agent,
    get_variable,
    list_agents,
    list_variables,
    update_agent,
    update_variable,
)
from pytest_dgbudget.emulator.management.breakdown import billing_breakdown, usage_breakdown
from pytest_dgbudget.emulator.management.facets import billing_fields, usage_fields
from pytest_dgbudget.emulator.management.key_requests import create_key, delete_key, get_key, grant_token, list_keys
from pytest_dgbudget.emulator.management.models import get_model, list_models
from pytest_dgbudget.emulator.management.projects import get_balance, get_project, list_balances, list_projects
from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.emulator.management.request import AuthorizedRequest, Style
from pytest_dgbudget.emulator.management.request_log import get_request, list_requests
from pytest_dgbudget.emulator.management.routes import Routes
from pytest_dgbudget.emulator.project.billing import Project
from pytest_dgbudget.emulator.project.credentials import INVALID_CREDENTIALS, Key, hint, split


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; ``scope`` is the scope that the key needs, None if any key will do."""

    scope: str | None
    answer: Callable[[AuthorizedRequest], Any]


class ManagementApi:
    """Answers for one project; ``page_base`` (0 or 1), ``wrapped`` and ``bare_agents`` are those of Style."""

    def __init__(self, project: Project, *, page_base: int = 0, wrapped: bool = True, bare_agents: bool = True) -> None:
        if page_base not in (0, 1):
            raise ValueError(f"page_base is {page_base}: 0 or 1")
        self._project = project
        self._style = Style(page_base=page_base, wrapped=wrapped, bare_agents=bare_agents)
        self._routes = Routes(OPERATIONS.items())

    def respond(self, request: Request) -> Answer:
        """Return the answer or raise Refusal."""
        operation, written = self._routes.find(request.method, request.path)
        key = self._authenticate(request)
        try:
            ids = tuple(str(uuid.UUID(each)) for each in written)
        except ValueError as error:
            return _plain(404, f"UUID parsing failed: {error}")
        if request.path.startswith("/v1/projects/"):
            project_id, *others = ids
            ids = tuple(others)
            if project_id != self._project.id:
                raise Refusal(404, "PROJECT_NOT_FOUND", "Project not found.")
        if operation.scope is not None and not key.may(operation.scope):
            raise _lacking(operation.scope)
        query = Query(request.query)
        authorized = AuthorizedRequest(
            project=self._project, style=self._style, key=key, query=query, body=request.body, ids=ids
        )
        return _json(operation.answer(authorized))

    def _authenticate(self, request: Request) -> Key:
        """Accept only ``Token KEY``: the vendor takes no JWT here."""
        offered = [split(value) for value in request.header("authorization")]
        for each in offered:
            key = self._project.keyring.key(each.secret) if each.scheme == "token" else None
            if key is not None:
                return key
        raise Refusal(401, "INVALID_AUTH", INVALID_CREDENTIALS, emulator=hint(offered))


OPERATIONS: dict[str, Operation] = {
    "POST /v1/auth/grant": Operation(None, grant_token),
    "GET /v1/models": Operation(None, list_models),
    "GET /v1/models/{}": Operation(None, get_model),
    "GET /v1/projects": Operation(None, list_projects),
    "GET /v1/projects/{}": Operation("project:read", get_project),
    "GET /v1/projects/{}/agent-variables": Operation("agent:read", list_variables),
    "POST /v1/projects/{}/agent-variables": Operation("agent:write", create_variable),
    "DELETE /v1/projects/{}/agent-variables/{}": Operation("agent:write", delete_variable),
    "GET /v1/projects/{}/agent-variables/{}": Operation("agent:read", get_variable),
    "PATCH /v1/projects/{}/agent-variables/{}": Operation("agent:write", update_variable),
    "GET /v1/projects/{}/agents": Operation("agent:read", list_agents),
    "POST /v1/projects/{}/agents": Operation("agent:write", create_agent),
    "DELETE /v1/projects/{}/agents/{}": Operation("agent:write", delete_agent),
    "GET /v1/projects/{}/agents/{}": Operation("agent:read", get_agent),
    "PUT /v1/projects/{}/agents/{}": Operation("agent:write", update_agent),
    "GET /v1/projects/{}/balances": Operation("billing:read", list_balances),
    "GET /v1/projects/{}/balances/{}": Operation("billing:read", get_balance),
    "GET /v1/projects/{}/billing/breakdown": Operation("billing:read", billing_breakdown),
    "GET /v1/projects/{}/billing/fields": Operation("billing:read", billing_fields),
    "GET /v1/projects/{}/keys": Operation("keys:read", list_keys),
    "POST /v1/projects/{}/keys": Operation("keys:write", create_key),
    "GET /v1/projects/{}/keys/{}": Operation("keys:read", get_key),
    "DELETE /v1/projects/{}/keys/{}": Operation("keys:write", delete_key),
    "GET /v1/projects/{}/models": Operation("project:read", list_models),
    "GET /v1/projects/{}/models/{}": Operation("project:read", get_model),
    "GET /v1/projects/{}/requests": Operation("usage:read", list_requests),
    "GET /v1/projects/{}/requests/{}": Operation("usage:read", get_request),
    "GET /v1/projects/{}/usage/breakdown": Operation("usage:read", usage_breakdown),
    "GET /v1/projects/{}/usage/fields": Operation("usage:read", usage_fields),
}


def _lacking(scope: str) -> Refusal:
    return Refusal(
        403,
        "INSUFFICIENT_PERMISSIONS",
        "Your account does not have the required scope to perform that action for this project.",
        details=f"Check that your account has the '{scope}' scope for this project.",
    )


def _json(answer: Any) -> Answer:
    return Answer(body=json.dumps(answer).encode())


def _plain(status: int, text: str) -> Answer:
    return Answer(status=status, content_type="text/plain; charset=utf-8", body=text.encode())
