"""The agent's handshakes: which clients are let in, with which scenario and pace, and the faults of handshakes."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import unquote

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from pytest_dgbudget.emulator.connection import AgentConnection
from pytest_dgbudget.emulator.faults.grants import NAMELESS, Grants
from pytest_dgbudget.emulator.faults.injector import FaultInjector
from pytest_dgbudget.emulator.journal import TO_CLIENT, Journal
from pytest_dgbudget.emulator.project.credentials import (
    INVALID_CREDENTIALS,
    Key,
    Keyring,
    Offered,
    handshake_hint,
    split,
)
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.tables import BadScenario
from pytest_dgbudget.emulator.session_clock import PACES, Pace

PATH = "/v1/agent/converse"
SCENARIO_HEADER = "x-dgbudget-scenario"  # FILE or FILE::NAME, percent-encoded
GRANT_HEADER = "x-dgbudget-grant"
PACE_HEADER = "x-dgbudget-pace"
_SCHEMES = ("token", "bearer")
_PORT_OF_TLS = ":443"  # 404, as E5 found
_WITH_PORT_OF_TLS = "Live, a Host header with :443 is answered with 404: leave the port out."


class Handshake:
    """Lets clients in, and gives each connection its key, scenario and fault injector.

    ``scenario``, FILE or FILE::NAME, is played to clients that name none; raises BadScenario if it is invalid. ``pace``
    is that of clients that ask for none.
    """

    def __init__(
        self, *, keyring: Keyring, library: Library, scenario: str | None, pace: Pace, grants: Grants, journal: Journal
    ) -> None:
        self._keyring = keyring
        self._library = library
        self._scenario = scenario
        self._pace = pace
        self._grants = grants
        self._journal = journal
        if scenario is not None:
            library.find(scenario)

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return None if the client is let in, otherwise the refusal."""
        if request.path.partition("?")[0] != PATH:
            return _refuse(connection, HTTPStatus.NOT_FOUND, "NOT_FOUND", f"The emulator opens agents at {PATH}.")
        if (_header(request, "Host") or "").endswith(_PORT_OF_TLS):
            return _refuse(connection, HTTPStatus.NOT_FOUND, "NOT_FOUND", "Not found.", _WITH_PORT_OF_TLS)
        offered = _offered(request)
        authenticated = [key for key in map(self._authenticate, offered) if key is not None]
        if not authenticated:
            return _refuse(
                connection, HTTPStatus.UNAUTHORIZED, "INVALID_AUTH", INVALID_CREDENTIALS, handshake_hint(offered)
            )
        allowed = next((key for key in authenticated if key.may("usage:write")), None)
        if allowed is None:
            text = "User does not have sufficient permissions."  # the vendor's page "Errors"
            return _refuse(connection, HTTPStatus.UNAUTHORIZED, "INSUFFICIENT_PERMISSIONS", text)
        assert isinstance(connection, AgentConnection)
        connection.key = allowed
        asked = _header(request, PACE_HEADER)
        connection.pace = next((pace for pace in PACES if pace == asked), self._pace)
        return self._choose_scenario(connection, request) or await self._fault_of_handshake(connection, request)

    def _authenticate(self, offered: Offered) -> Key | None:
        """Return the key: ``Bearer`` takes tokens alone, as at the vendor (E5)."""
        granted = self._keyring.granted(offered.secret)
        return granted if offered.scheme == "bearer" else granted or self._keyring.key(offered.secret)

    async def _fault_of_handshake(self, connection: AgentConnection, request: Request) -> Response | None:
        """Delay or refuse the handshake if a fault of this client's grant or scenario says so."""
        grant = self._grants.named(_grant(request))
        journal = self._journal.session(grant.name, str(connection.id), _header(request, "x-deepgram-session-id"))
        scripted = connection.scenario.faults if connection.scenario else ()
        self._grants.script(scripted)
        injector = connection.injector = FaultInjector(
            connection, grant, scripted, journal, request_id=str(connection.id)
        )
        await asyncio.sleep(sum(fault["delay"] for fault in injector.faults if fault.kind == "slow-handshake") / 1000)
        refusal = grant.refusal(injector.faults)  # read again: faults may have changed in the meantime
        if refusal is None:
            return None
        journal.add(TO_CLIENT, {"type": "(refused)", "status": refusal.status, "code": refusal.code})
        return _refuse(connection, refusal.status, refusal.code, refusal.message)

    def _choose_scenario(self, connection: AgentConnection, request: Request) -> Response | None:
        """Set the connection's scenario, or return a refusal."""
        asked = _header(request, SCENARIO_HEADER)
        reference = self._scenario if asked is None else unquote(asked)
        try:
            connection.scenario = self._library.choose(_grant(request), reference)
        except BadScenario as error:
            return _refuse(connection, HTTPStatus.UNPROCESSABLE_ENTITY, "EMULATED_BAD_SCENARIO", str(error))
        return None

    def choose_subprotocol(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """Choose one, since browsers fail if none of theirs is chosen; the key itself is never sent back."""
        scheme = next((name for name in offered if name.lower() in _SCHEMES), None)
        return scheme or next((name for name in offered if self._keyring.authenticate(name) is None), None)


def _grant(request: Request) -> str:
    return _header(request, GRANT_HEADER) or NAMELESS


def _header(request: Request, name: str) -> str | None:
    """Return the first value of this header; None if there is none."""
    return next(iter(request.headers.get_all(name)), None)


def _offered(request: Request) -> list[Offered]:
    """Return the credentials in ``Authorization: Token K`` and in the subprotocols ``token, K``."""
    pairs = [split(value) for value in request.headers.get_all("Authorization")]
    protocols = [
        name.strip() for value in request.headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")
    ]
    pairs += [Offered(scheme.lower(), secret) for scheme, secret in itertools.pairwise(protocols)]
    return [each for each in pairs if each.scheme in _SCHEMES]


def _refuse(
    connection: ServerConnection, status: int, code: str, message: str, emulator: str | None = None
) -> Response:
    """Return a refusal in the vendor's form, with ``dg-error``; ``emulator`` is a hint of its own beside it."""
    body = {"err_code": code, "err_msg": message, "request_id": str(connection.id)}
    if emulator is not None:
        body["emulator"] = emulator
    response = connection.respond(HTTPStatus.BAD_REQUEST, json.dumps(body))
    response.status_code = int(status)  # a fault's status may have no name
    response.reason_phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Refused"
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    response.headers["dg-error"] = " ".join(message.split())  # a header has one line
    return response
