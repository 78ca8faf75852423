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
from pytest_dgbudget.emulator.management.body import Body
from pytest_dgbudget.emulator.management.breakdown import billing_breakdown, usage_breakdown
from pytest_dgbudget.emulator.management.fields import billing_fields, usage_fields
from pytest_dgbudget.emulator.management.key_requests import create_key, delete_key, get_key, grant_token, list_keys
from pytest_dgbudget.emulator.management.models import list_models, one_model
from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.emulator.management.request_log import list_requests, one_request
from pytest_dgbudget.emulator.management.routes import Routes

_PROJECT_NAME = "pytest-dgbudget emulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was let in; ``ids`` are those behind the project's, as UUIDs are written."""

    key: Key
    query: Query
    body: bytes
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation; ``scope`` is what the key needs for it, None when any key will do."""

    scope: str | None
    answer: Callable[[ManagementApi, Call], Any]


class ManagementApi:
    """Answers for one account.

    ``page_base`` is the number of the first page, ``wrapped`` whether one request comes inside ``{"request": …}``:
    the vendor's file and its guide differ in both.
    """

    def __init__(self, account: Account, *, page_base: int = 0, wrapped: bool = True) -> None:
        if page_base not in (0, 1):
            raise ValueError(f"page_base is {page_base}: 0 or 1")
        self._account = account
        self._page_base = page_base
        self._wrapped = wrapped
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
        return _json(endpoint.answer(self, Call(key=key, query=Query(request.query), body=request.body, ids=ids)))

    def _authenticate(self, request: Request) -> Key:
        """Let in ``Token KEY`` alone: the vendor takes no JWT here."""
        offered = [split(value) for value in request.header("authorization")]
        for scheme, secret in offered:
            key = self._account.keyring.key(secret) if scheme == "token" else None
            if key is not None:
                return key
        raise Refusal(401, "INVALID_AUTH", complaint(secret for _, secret in offered))

    def _projects(self, _call: Call) -> Any:
        return {"projects": [{"project_id": self._account.project_id, "name": _PROJECT_NAME}]}

    def _project(self, _call: Call) -> Any:
        return {"project_id": self._account.project_id, "name": _PROJECT_NAME, "mip_opt_out": False}

    def _requests(self, call: Call) -> Any:
        return list_requests(self._account, call.query, page_base=self._page_base)

    def _request(self, call: Call) -> Any:
        row = one_request(self._account, *call.ids)
        return {"request": row} if self._wrapped else row

    def _usage_breakdown(self, call: Call) -> Any:
        return usage_breakdown(self._account, call.query)

    def _usage_fields(self, call: Call) -> Any:
        return usage_fields(self._account, call.query)

    def _billing_breakdown(self, call: Call) -> Any:
        return billing_breakdown(self._account, call.query)

    def _billing_fields(self, call: Call) -> Any:
        return billing_fields(self._account, call.query)

    def _balances(self, _call: Call) -> Any:
        return {"balances": [self._the_balance()]}

    def _balance(self, call: Call) -> Any:
        if call.ids != (self._account.balance_id,):
            raise Refusal(404, "BALANCE_NOT_FOUND", "Balance not found.")  # the emulator's choice
        return self._the_balance()

    def _the_balance(self) -> Any:
        return {
            "balance_id": self._account.balance_id,
            "amount": self._account.balance_usd(),
            "units": "USD",
            "purchase_order_id": "emulated free credit",
        }

    def _keys(self, call: Call) -> Any:
        return list_keys(self._account, call.query)

    def _new_key(self, call: Call) -> Any:
        return create_key(self._account, Body(call.body))

    def _key(self, call: Call) -> Any:
        return get_key(self._account, *call.ids)

    def _no_key(self, call: Call) -> Any:
        return delete_key(self._account, *call.ids)

    def _models(self, call: Call) -> Any:
        return list_models(call.query)

    def _model(self, call: Call) -> Any:
        return one_model(*call.ids)

    def _grant(self, call: Call) -> Any:
        if not call.key.member_or_higher:
            raise Refusal(403, "FORBIDDEN", "Insufficient permissions.")
        return grant_token(self._account, call.key, Body(call.body))


ENDPOINTS: dict[str, Endpoint] = {
    "POST /v1/auth/grant": Endpoint(None, ManagementApi._grant),
    "GET /v1/models": Endpoint(None, ManagementApi._models),
    "GET /v1/models/{}": Endpoint(None, ManagementApi._model),
    "GET /v1/projects": Endpoint(None, ManagementApi._projects),
    "GET /v1/projects/{}": Endpoint("project:read", ManagementApi._project),
    "GET /v1/projects/{}/balances": Endpoint("billing:read", ManagementApi._balances),
    "GET /v1/projects/{}/balances/{}": Endpoint("billing:read", ManagementApi._balance),
    "GET /v1/projects/{}/billing/breakdown": Endpoint("billing:read", ManagementApi._billing_breakdown),
    "GET /v1/projects/{}/billing/fields": Endpoint("billing:read", ManagementApi._billing_fields),
    "GET /v1/projects/{}/keys": Endpoint("keys:read", ManagementApi._keys),
    "POST /v1/projects/{}/keys": Endpoint("keys:write", ManagementApi._new_key),
    "GET /v1/projects/{}/keys/{}": Endpoint("keys:read", ManagementApi._key),
    "DELETE /v1/projects/{}/keys/{}": Endpoint("keys:write", ManagementApi._no_key),
    "GET /v1/projects/{}/models": Endpoint("project:read", ManagementApi._models),
    "GET /v1/projects/{}/models/{}": Endpoint("project:read", ManagementApi._model),
    "GET /v1/projects/{}/requests": Endpoint("usage:read", ManagementApi._requests),
    "GET /v1/projects/{}/requests/{}": Endpoint("usage:read", ManagementApi._request),
    "GET /v1/projects/{}/usage/breakdown": Endpoint("usage:read", ManagementApi._usage_breakdown),
    "GET /v1/projects/{}/usage/fields": Endpoint("usage:read", ManagementApi._usage_fields),
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
