"""Which operation a request is for, and the vendor's operations that are not emulated. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, NoReturn, TypeVar

from pytest_dgbudget.emulator.http import Refusal

# The other operations of the vendor's file of 2026-07-22. A program that needs one must not take silence for success.
NOT_EMULATED = (
    "GET /v1/agent/settings/think/models",
    "POST /v1/listen",
    "DELETE /v1/projects/{}",
    "PATCH /v1/projects/{}",
    "GET /v1/projects/{}/invites",
    "POST /v1/projects/{}/invites",
    "DELETE /v1/projects/{}/invites/{}",
    "DELETE /v1/projects/{}/leave",
    "GET /v1/projects/{}/members",
    "DELETE /v1/projects/{}/members/{}",
    "GET /v1/projects/{}/members/{}/scopes",
    "PUT /v1/projects/{}/members/{}/scopes",
    "GET /v1/projects/{}/purchases",
    "GET /v1/projects/{}/self-hosted/distribution/credentials",
    "POST /v1/projects/{}/self-hosted/distribution/credentials",
    "DELETE /v1/projects/{}/self-hosted/distribution/credentials/{}",
    "GET /v1/projects/{}/self-hosted/distribution/credentials/{}",
    "GET /v1/projects/{}/usage",
    "POST /v1/read",
    "POST /v1/speak",
    "POST /v2/speak",
)

T = TypeVar("T")


class Routes(Generic[T]):
    """Finds the operation for ``METHOD /path`` among operations written like those above."""

    def __init__(self, operations: Iterable[tuple[str, T]]) -> None:
        self._emulated = [(*_parsed(operation), serves) for operation, serves in operations]
        self._others = [_parsed(operation) for operation in NOT_EMULATED]

    def find(self, method: str, path: str) -> tuple[T, tuple[str, ...]]:
        """Return it and the ids in the path; raises Refusal for what is not emulated or does not exist."""
        method = "GET" if method == "HEAD" else method
        methods = []
        for known, pattern, serves in self._emulated:
            match = pattern.fullmatch(path)
            if match and known == method:
                return serves, match.groups()
            methods += [known] * bool(match)
        return self._refuse(method, path, methods)

    def _refuse(self, method: str, path: str, emulated: list[str]) -> NoReturn:
        others = [known for known, pattern in self._others if pattern.fullmatch(path)]
        if method in others or (others and not emulated):
            raise Refusal(501, "NOT_IMPLEMENTED", "The emulator does not have this part of the vendor's API.")
        if not emulated:
            raise Refusal(404, "NOT_FOUND", "Neither the emulator nor the vendor's management API has this path.")
        allowed = ", ".join([*emulated, "HEAD"] if "GET" in emulated else emulated)
        message = f"The emulator takes {allowed} here, not {method}."
        raise Refusal(405, "METHOD_NOT_ALLOWED", message, headers=(("Allow", allowed),))


def _parsed(operation: str) -> tuple[str, re.Pattern[str]]:
    method, template = operation.split()
    return method, re.compile(template.replace("{}", "([^/]+)"))
