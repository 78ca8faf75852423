"""The management API: who may ask for what, and where the answers come from.

Forms are those of the vendor's OpenAPI file of 2026-07-22, errors those of its page "Errors"; the 403 for a missing
scope is as people quote it who got one. Which scope an operation needs is inferred from the scopes' names: the vendor
documents it for none.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.account.billing import Account
from pytest_dgbudget.emulator.account.credentials import complaint, split
from pytest_dgbudget.emulator.account.keys import Key
from pytest_dgbudget.emulator.http import Answer, Refusal, Request
from pytest_dgbudget.emulator.management.breakdown import billing_breakdown, usage_breakdown
from pytest_dgbudget.emulator.management.call import Call, Style
from pytest_dgbudget.emulator.management.fields import billing_fields, usage_fields
from pytest_dgbudget.emulator.management.key_requests import create_key, delete_key, get_key, grant_token, list_keys
from pytest_dgbudget.emulator.management.models import get_model, list_models
from pytest_dgbudget.emulator.management.projects import get_balance, get_project, list_balances, list_projects
from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.emulator.management.request_log import get_request, list_requests
from pytest_dgbudget.emulator.management.routes import Routes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation; ``scope`` is what the key needs for it, None when any key will do."""

    scope: str | None
    answer: Callable[[Call], Any]


class ManagementApi:
    """Answers for one account; ``page_base`` (0 or 1) and ``wrapped`` are those of Style."""

    def __init__(self, account: Account, *, page_base: int = 0, wrapped: bool = True) -> None:
        if page_base not in (0, 1):
            raise ValueError(f"page_base is {page_base}: 0 or 1")
        self._account = account
        self._style = Style(page_base=page_base, wrapped=wrapped)
        self._routes = Routes(ENDPOINTS.items())

    def respond(self, request: Request) -> Answer:
        """Return the answer or raise Refusal."""
        endpoint, written = self._routes.find(request.method, request.path)
        key = self._authenticate(request)
        try:
            ids = tuple(str(uuid.UUID(each)) for each in written)
        except ValueError as error:
            return _plain(404, f"UUID parsing failed: {error}")
        if request.path.startswith("/v1/projects/"):
            project_id, *others = ids
            ids = tuple(others)
            if project_id != self._account.project_id:
                raise Refusal(404, "PROJECT_NOT_FOUND", "Project not found.")
        if endpoint.scope is not None and not key.may(endpoint.scope):
            raise _lacking(endpoint.scope)
        query = Query(request.query)
        call = Call(account=self._account, style=self._style, key=key, query=query, body=request.body, ids=ids)
        return _json(endpoint.answer(call))

    def _authenticate(self, request: Request) -> Key:
        """Let in ``Token KEY`` alone: the vendor takes no JWT here."""
        offered = [split(value) for value in request.header("authorization")]
        for scheme, secret in offered:
            key = self._account.keyring.key(secret) if scheme == "token" else None
            if key is not None:
                return key
        raise Refusal(401, "INVALID_AUTH", complaint(secret for _, secret in offered))


ENDPOINTS: dict[str, Endpoint] = {
    "POST /v1/auth/grant": Endpoint(None, grant_token),
    "GET /v1/models": Endpoint(None, list_models),
    "GET /v1/models/{}": Endpoint(None, get_model),
    "GET /v1/projects": Endpoint(None, list_projects),
    "GET /v1/projects/{}": Endpoint("project:read", get_project),
    "GET /v1/projects/{}/balances": Endpoint("billing:read", list_balances),
    "GET /v1/projects/{}/balances/{}": Endpoint("billing:read", get_balance),
    "GET /v1/projects/{}/billing/breakdown": Endpoint("billing:read", billing_breakdown),
    "GET /v1/projects/{}/billing/fields": Endpoint("billing:read", billing_fields),
    "GET /v1/projects/{}/keys": Endpoint("keys:read", list_keys),
    "POST /v1/projects/{}/keys": Endpoint("keys:write", create_key),
    "GET /v1/projects/{}/keys/{}": Endpoint("keys:read", get_key),
    "DELETE /v1/projects/{}/keys/{}": Endpoint("keys:write", delete_key),
    "GET /v1/projects/{}/models": Endpoint("project:read", list_models),
    "GET /v1/projects/{}/models/{}": Endpoint("project:read", get_model),
    "GET /v1/projects/{}/requests": Endpoint("usage:read", list_requests),
    "GET /v1/projects/{}/requests/{}": Endpoint("usage:read", get_request),
    "GET /v1/projects/{}/usage/breakdown": Endpoint("usage:read", usage_breakdown),
    "GET /v1/projects/{}/usage/fields": Endpoint("usage:read", usage_fields),
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
