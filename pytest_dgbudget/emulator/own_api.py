"""The emulator's own REST API, beside the vendor's: scenarios, each grant's faults and journal, what was skipped.

A session belongs to the grant that its handshake names in ``x-dgbudget-grant``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from pytest_dgbudget.emulator.faults.grants import Grants
from pytest_dgbudget.emulator.faults.kinds import BadFault, read_fault
from pytest_dgbudget.emulator.http import Answer, Refusal, Request
from pytest_dgbudget.emulator.journal import Journal
from pytest_dgbudget.emulator.project.credentials import INVALID_CREDENTIALS, hint, same_key, split
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.toml import BadScenario
from pytest_dgbudget.emulator.session_clock import SessionClock

PREFIX = "/emulator/v1/"


class OwnApi:
    """Answers requests whose path begins with PREFIX."""

    def __init__(
        self, library: Library, grants: Grants, journal: Journal, clocks: Mapping[str, SessionClock], *, api_key: str
    ) -> None:
        self._library = library
        self._grants = grants
        self._journal = journal
        self._clocks = clocks
        self._api_key = api_key

    def respond(self, request: Request) -> Answer:
        """Return the answer or raise Refusal."""
        offered = [split(value) for value in request.header("authorization")]
        if not any(each.scheme == "token" and same_key(each.secret, self._api_key) for each in offered):
            raise Refusal(401, "INVALID_AUTH", INVALID_CREDENTIALS, emulator=hint(offered))
        for (method, pattern), route in _ROUTES.items():
            match = re.fullmatch(pattern, request.path.removeprefix(PREFIX))
            if match and method == request.method:
                return Answer(body=json.dumps(route(self, request, *match.groups())).encode())
        raise Refusal(404, "NOT_FOUND", f"The emulator has no {request.method} {request.path}.")

    def _scenario(self, request: Request) -> Any:
        """Read a scenario, so that errors in it are reported before it is played."""
        try:
            return {"name": self._library.find("".join(parse_qs(request.query).get("reference", []))).name}
        except BadScenario as error:
            raise Refusal(422, "EMULATED_BAD_SCENARIO", str(error)) from None

    def _fault(self, request: Request, name: str) -> Any:
        """Add a fault to a grant: a JSON object with ``kind`` and parameters, as in a scenario."""
        try:
            given = json.loads(request.body)
            if not isinstance(given, dict):
                raise BadFault("kind", "a fault is a JSON object")
            fault = read_fault(given.pop("kind", None), given)
        except BadFault as error:
            raise Refusal(422, "EMULATED_BAD_FAULT", str(error)) from None
        except (ValueError, RecursionError):
            raise Refusal(422, "EMULATED_BAD_FAULT", "the body is not JSON, or nested too deeply") from None
        self._grants.add(self._grants.named(name), fault)
        return {}

    def _no_faults(self, _request: Request, name: str) -> Any:
        self._grants.clear(self._grants.named(name))
        return {}

    def _session(self, _request: Request, request_id: str) -> Any:
        """Return the seconds of a session that pace max has skipped so far."""
        clock = self._clocks.get(request_id)
        if clock is None:
            raise Refusal(404, "NOT_FOUND", "The emulator knows no such session, or no longer.")
        return {"skipped_seconds": round(clock.skipped, 3)}

    def _records(self, _request: Request, name: str) -> Any:
        return {"records": self._journal.of(name)}


_ROUTES: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", "scenario"): OwnApi._scenario,
    ("GET", "sessions/([^/]+)"): OwnApi._session,
    ("POST", "grants/([^/]+)/faults"): OwnApi._fault,
    ("GET", "grants/([^/]+)/journal"): OwnApi._records,
    ("DELETE", "grants/([^/]+)/faults"): OwnApi._no_faults,
}
