"""The emulator's own REST API, beside the vendor's: each grant's scenario, faults and journal, what was skipped.

A session belongs to the grant that its handshake names in ``x-dgbudget-grant``.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from pytest_dgbudget.emulator.faults.grants import GrantedSession, Grants
from pytest_dgbudget.emulator.faults.kinds import BadFault, read_fault
from pytest_dgbudget.emulator.http import Answer, Refusal, Request
from pytest_dgbudget.emulator.journal import Journal
from pytest_dgbudget.emulator.project.credentials import INVALID_CREDENTIALS, hint, same_key, split
from pytest_dgbudget.emulator.scenarios.given import read_given
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.tables import BadScenario
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

    def _set_scenario(self, request: Request, name: str) -> Any:
        """Set what is played in a grant's sessions from now on: ``scenario``, a table as in a file.

        Paths in it are relative to ``folder``, by default the emulator's own.
        """
        given = _object(request, "EMULATED_BAD_SCENARIO")
        table, folder = given.get("scenario"), given.get("folder", "")
        try:
            if not isinstance(table, dict) or not isinstance(folder, str):
                raise BadScenario("the body has a scenario, an object, and may have a folder, a text")
            self._library.set_for(name, read_given(table, Path(folder)))
        except BadScenario as error:
            raise Refusal(422, "EMULATED_BAD_SCENARIO", str(error)) from None
        return {}

    def _no_scenario(self, _request: Request, name: str) -> Any:
        self._library.set_for(name, None)
        return {}

    def _inject(self, request: Request, name: str) -> Any:
        """Send a ``message``, an object, or ``audio``, in base64, to a grant's open sessions, or to ``request_id``."""
        given = _object(request, "EMULATED_BAD_MESSAGE")
        message = _message(given)
        for session in self._sessions(name, given.get("request_id")):
            session.inject(message)
        return {}

    def _listen(self, request: Request, name: str) -> Any:
        """Let time pass, where it is skipped, until a grant's session ``request_id``, or all, has been heard out."""
        for session in self._sessions(name, _object(request, "EMULATED_BAD_REQUEST").get("request_id")):
            session.hear_out()
        return {}

    def _sessions(self, name: str, request_id: Any) -> list[GrantedSession]:
        """Return a grant's open sessions, or the one of this id; raises Refusal where there is none."""
        is_open = {session.request_id: session for session in self._grants.named(name).sessions}
        if not is_open:
            raise Refusal(422, "EMULATED_NO_SESSION", "no session of this test is open: open one first")
        if request_id is None:
            return list(is_open.values())
        if request_id not in is_open:
            why = f"no session with the request id {request_id!r} is open; open: {', '.join(is_open)}"
            raise Refusal(422, "EMULATED_NO_SESSION", why)
        return [is_open[request_id]]

    def _fault(self, request: Request, name: str) -> Any:
        """Add a fault to a grant: a JSON object with ``kind`` and parameters, as in a scenario."""
        given = _object(request, "EMULATED_BAD_FAULT")
        try:
            fault = read_fault(given.pop("kind", None), given)
        except BadFault as error:
            raise Refusal(422, "EMULATED_BAD_FAULT", str(error)) from None
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


def _object(request: Request, code: str) -> dict[str, Any]:
    """Return the body, a JSON object; raises Refusal with this code."""
    try:
        given = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refusal(422, code, "the body is not JSON, or nested too deeply") from None
    if not isinstance(given, dict):
        raise Refusal(422, code, "the body is not a JSON object")
    return given


def _message(given: dict[str, Any]) -> dict[str, Any] | bytes:
    message, audio = given.get("message"), given.get("audio")
    if isinstance(message, dict) and isinstance(message.get("type"), str):
        return message
    if not isinstance(audio, str):
        raise Refusal(422, "EMULATED_BAD_MESSAGE", "a message is an object with a type, which is a text")
    try:
        return base64.b64decode(audio, validate=True)
    except ValueError:
        raise Refusal(422, "EMULATED_BAD_MESSAGE", "the audio is not base64") from None


_ROUTES: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", "scenario"): OwnApi._scenario,
    ("GET", "sessions/([^/]+)"): OwnApi._session,
    ("PUT", "grants/([^/]+)/scenario"): OwnApi._set_scenario,
    ("DELETE", "grants/([^/]+)/scenario"): OwnApi._no_scenario,
    ("POST", "grants/([^/]+)/messages"): OwnApi._inject,
    ("POST", "grants/([^/]+)/listening"): OwnApi._listen,
    ("POST", "grants/([^/]+)/faults"): OwnApi._fault,
    ("GET", "grants/([^/]+)/journal"): OwnApi._records,
    ("DELETE", "grants/([^/]+)/faults"): OwnApi._no_faults,
}
