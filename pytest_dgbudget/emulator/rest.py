"""The management API: who may ask for what, and where the answers come from.

Forms are those of the vendor's OpenAPI file of 2026-07-22, errors those of its page "Errors".
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from pytest_dgbudget.emulator.billing import Account
from pytest_dgbudget.emulator.breakdown import billing_breakdown, usage_breakdown
from pytest_dgbudget.emulator.credentials import complaint, same_key, split
from pytest_dgbudget.emulator.http import Answer, Refusal, Request
from pytest_dgbudget.emulator.query import Query
from pytest_dgbudget.emulator.request_log import list_requests, one_request

# What else the vendor's file has. A program that needs one of these must not take our silence for success.
NOT_EMULATED = (
    "/v1/agent/settings/think/models",
    "/v1/auth/grant",
    "/v1/listen",
    "/v1/models",
    "/v1/models/{}",
    "/v1/projects/{}/agent-variables",
    "/v1/projects/{}/agent-variables/{}",
    "/v1/projects/{}/agents",
    "/v1/projects/{}/agents/{}",
    "/v1/projects/{}/billing/fields",
    "/v1/projects/{}/invites",
    "/v1/projects/{}/invites/{}",
    "/v1/projects/{}/keys",
    "/v1/projects/{}/keys/{}",
    "/v1/projects/{}/leave",
    "/v1/projects/{}/members",
    "/v1/projects/{}/members/{}",
    "/v1/projects/{}/members/{}/scopes",
    "/v1/projects/{}/models",
    "/v1/projects/{}/models/{}",
    "/v1/projects/{}/purchases",
    "/v1/projects/{}/self-hosted/distribution/credentials",
    "/v1/projects/{}/self-hosted/distribution/credentials/{}",
    "/v1/projects/{}/usage",
    "/v1/projects/{}/usage/fields",
    "/v1/read",
    "/v1/speak",
    "/v2/speak",
)


class ManagementApi:
    """Answers for one account.

    ``page_base`` is the number of the first page, ``wrapped`` whether one request comes inside ``{"request": …}``:
    the vendor's file and its guide differ in both.
    """

    def __init__(self, account: Account, *, api_key: str, page_base: int = 0, wrapped: bool = True) -> None:
        if page_base not in (0, 1):
            raise ValueError(f"page_base is {page_base}: 0 or 1")
        self._account = account
        self._api_key = api_key
        self._page_base = page_base
        self._wrapped = wrapped

    def respond(self, request: Request) -> Answer:
        """Return the answer or raise Refusal."""
        route, ids = _find_route(request.path)
        if request.method not in ("GET", "HEAD"):
            allowed = (("Allow", "GET, HEAD"),)
            message = f"The emulator takes GET here, not {request.method}."
            raise Refusal(405, "METHOD_NOT_ALLOWED", message, headers=allowed)
        self._authenticate(request)
        try:
            parsed = [str(uuid.UUID(each)) for each in ids]
        except ValueError as error:
            return _plain(404, f"UUID parsing failed: {error}")
        if parsed and parsed.pop(0) != self._account.project_id:
            raise Refusal(404, "PROJECT_NOT_FOUND", "Project not found.")
        return _json(route(self, Query(request.query), *parsed))

    def _authenticate(self, request: Request) -> None:
        """Let in ``Token KEY`` alone: the vendor takes no JWT here."""
        offered = [split(value) for value in request.header("authorization")]
        if not any(scheme == "token" and same_key(key, self._api_key) for scheme, key in offered):
            raise Refusal(401, "INVALID_AUTH", complaint(key for _, key in offered))

    def _projects(self, _query: Query) -> Any:
        return {"projects": [{"project_id": self._account.project_id, "name": _PROJECT_NAME}]}

    def _project(self, _query: Query) -> Any:
        return {"project_id": self._account.project_id, "name": _PROJECT_NAME, "mip_opt_out": False}

    def _requests(self, query: Query) -> Any:
        return list_requests(self._account, query, page_base=self._page_base)

    def _request(self, _query: Query, request_id: str) -> Any:
        row = one_request(self._account, request_id)
        return {"request": row} if self._wrapped else row

    def _usage_breakdown(self, query: Query) -> Any:
        return usage_breakdown(self._account, query)

    def _billing_breakdown(self, query: Query) -> Any:
        return billing_breakdown(self._account, query)

    def _balances(self, query: Query) -> Any:
        return {"balances": [self._balance(query, self._account.balance_id)]}

    def _balance(self, _query: Query, balance_id: str) -> Any:
        if balance_id != self._account.balance_id:
            raise Refusal(404, "BALANCE_NOT_FOUND", "Balance not found.")  # the emulator's choice
        return {
            "balance_id": balance_id,
            "amount": self._account.balance_usd(),
            "units": "USD",
            "purchase_order_id": "emulated free credit",
        }


_PROJECT_NAME = "pytest-dgbudget emulator"
_Route = Callable[..., Any]
_EMULATED: dict[str, _Route] = {
    "/v1/projects": ManagementApi._projects,
    "/v1/projects/{}": ManagementApi._project,
    "/v1/projects/{}/balances": ManagementApi._balances,
    "/v1/projects/{}/balances/{}": ManagementApi._balance,
    "/v1/projects/{}/billing/breakdown": ManagementApi._billing_breakdown,
    "/v1/projects/{}/requests": ManagementApi._requests,
    "/v1/projects/{}/requests/{}": ManagementApi._request,
    "/v1/projects/{}/usage/breakdown": ManagementApi._usage_breakdown,
}


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(template.replace("{}", "([^/]+)"))


_ROUTES = [(_pattern(template), route) for template, route in _EMULATED.items()]
_REFUSED = [_pattern(template) for template in NOT_EMULATED]


def _find_route(path: str) -> tuple[_Route, tuple[str, ...]]:
    """Return what answers this path, and the ids in it."""
    for pattern, route in _ROUTES:
        match = pattern.fullmatch(path)
        if match:
            return route, match.groups()
    if any(pattern.fullmatch(path) for pattern in _REFUSED):
        raise Refusal(501, "NOT_IMPLEMENTED", "The emulator does not have this part of the vendor's API.")
    raise Refusal(404, "NOT_FOUND", "Neither the emulator nor the vendor's management API has this path.")


def _json(answer: Any) -> Answer:
    return Answer(body=json.dumps(answer).encode())


def _plain(status: int, text: str) -> Answer:
    return Answer(status=status, content_type="text/plain; charset=utf-8", body=text.encode())
