"""Two ports on 127.0.0.1: the Voice Agent's WebSocket and the management API."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import logging
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from pytest_dgbudget.emulator.account.billing import SETTLEMENT_LAG, Account, OpenSession
from pytest_dgbudget.emulator.account.clock import Clock
from pytest_dgbudget.emulator.account.credentials import complaint, split
from pytest_dgbudget.emulator.account.keys import Key
from pytest_dgbudget.emulator.account.prices import USD_PER_MINUTE
from pytest_dgbudget.emulator.agent.conversation import Conversation
from pytest_dgbudget.emulator.agent.limits import Limits
from pytest_dgbudget.emulator.agent.settings import Agents
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.faults.bill import amended
from pytest_dgbudget.emulator.faults.grants import NAMELESS, Grants
from pytest_dgbudget.emulator.faults.wire import Wire
from pytest_dgbudget.emulator.http import Answer, HttpServer
from pytest_dgbudget.emulator.http import Request as ApiRequest
from pytest_dgbudget.emulator.journal import TO_CLIENT, Journal
from pytest_dgbudget.emulator.management.api import ManagementApi
from pytest_dgbudget.emulator.own_api import PREFIX, OwnApi
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.performance import Closed
from pytest_dgbudget.emulator.scenarios.scenario import Scenario, Script
from pytest_dgbudget.emulator.scenarios.toml import BadScenario

HOST = "127.0.0.1"
PATH = "/v1/agent/converse"
SCENARIO_HEADER = "x-dgbudget-scenario"  # FILE or FILE::NAME, percent-encoded
GRANT_HEADER = "x-dgbudget-grant"
MAX_MESSAGE = 32 * 2**20  # bytes; the vendor documents no limit

# The vendor documents no close code for the agent. Its speech-to-text socket closes with 1008 when the client
# sent what can't be used, and every Error of ours but the internal one says just that: the emulator's choice.
CLOSE_CLIENT_FAULT = 1008
CLOSE_OUR_FAULT = 1011

_SCHEMES = ("token", "bearer")
_BACKLOG = 1024
_OPEN_SECONDS = 60.0  # longer than clients wait, so that a slow handshake is theirs to give up
_PATIENCE_SECONDS = 1.0  # with a client that neither reads nor answers our Close
_log = logging.getLogger(__name__)

# What strangers send to a port is theirs to fix: the library's tracebacks about it go nowhere.
_silent = logging.Logger("dgbudget-emulator-websockets", level=logging.CRITICAL + 1)


# All connections read into this one, and deal with what they read before the next read. asyncio's own buffer for each
# read is so big that the system maps and unmaps it every time.
_READ = memoryview(bytearray(64 * 1024))


class AgentConnection(ServerConnection, asyncio.BufferedProtocol):
    """A connection to the agent's port; from its 101 on it is a session, which ends when the socket does."""

    key: Key
    wire: Wire
    session: OpenSession | None = None
    scenario: Scenario | None = None

    def begin(self, session: OpenSession) -> None:
        """The 101 goes out."""
        self.session = session
        session.amend = lambda record: amended(record, self.wire.faults)
        self.wire.open()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _READ

    def buffer_updated(self, nbytes: int) -> None:
        if self.session is None or not self.wire.deaf:
            self.data_received(_READ[:nbytes].tobytes())

    def connection_lost(self, exc: Exception | None) -> None:
        if self.session is not None:
            self.session.close()
            self.wire.close()
        super().connection_lost(exc)


class Emulator:
    """Both ports, bound at once (OSError says which one can't be); they answer inside ``async with``.

    ``settlement_lag``, ``prices`` and ``clock`` are those of Account, ``page_base`` and ``wrapped`` of ManagementApi.
    ``limits`` and ``agents`` (reusable ones) hold for every session. ``scenario``, FILE or FILE::NAME, is played to
    clients that name none (BadScenario says what is wrong with it). ``journal`` is a file that records are added to.
    """

    def __init__(
        self,
        *,
        host: str = HOST,
        port: int = 0,
        api_port: int = 0,
        settlement_lag: float = SETTLEMENT_LAG,
        prices: Mapping[str, float] = USD_PER_MINUTE,
        clock: Clock | None = None,
        page_base: int = 0,
        wrapped: bool = True,
        limits: Limits | None = None,
        agents: Agents | None = None,
        scenario: str | None = None,
        journal: Path | None = None,
    ) -> None:
        self._converse = functools.partial(_converse, limits=limits, agents=agents)
        self._library = Library()
        self._scenario = scenario
        self._chosen_scenario(scenario)
        self.project_id = str(uuid.uuid4())
        self._account = Account(project_id=self.project_id, settlement_lag=settlement_lag, prices=prices, clock=clock)
        self.api_key = self._account.keyring.owners.secret
        self._host = host
        api = ManagementApi(self._account, page_base=page_base, wrapped=wrapped)
        self._grants = Grants()
        self._journal = Journal(journal)
        own = OwnApi(self._library, self._grants, self._journal, api_key=self.api_key)
        self._api = HttpServer(lambda request: self._respond(request, own, api))
        with contextlib.ExitStack() as undo:
            self._agent_socket = undo.enter_context(_bind(host, port))
            self._api_socket = undo.enter_context(_bind(host, api_port))
            undo.pop_all()
        self._agent: Server | None = None

    def _respond(self, request: ApiRequest, own: OwnApi, vendors: ManagementApi) -> Answer:
        """Answer on the API port; faults befall the vendor's part of it alone."""
        if request.path.startswith(PREFIX):
            return own.respond(request)
        refusal = self._grants.api_refusal()
        answer = vendors.respond(request) if refusal is None else refusal.answer(request.id)
        return replace(answer, delay=self._grants.api_delay())

    @property
    def agent_url(self) -> str:
        return f"ws://{self._host}:{self._agent_socket.getsockname()[1]}{PATH}"

    @property
    def api_url(self) -> str:
        return f"http://{self._host}:{self._api_socket.getsockname()[1]}"

    def addresses(self) -> dict[str, str]:
        """Return what a client needs: the first line on stdout (contract, section 8)."""
        return {
            "agent_url": self.agent_url,
            "api_url": self.api_url,
            "api_key": self.api_key,
            "project_id": self.project_id,
        }

    async def __aenter__(self) -> Emulator:
        self._agent = await serve(
            self._converse,
            sock=self._agent_socket,
            process_request=self._admit,
            process_response=self._answer,
            select_subprotocol=self._choose_subprotocol,
            create_connection=AgentConnection,
            compression=None,
            max_size=MAX_MESSAGE,
            ping_interval=None,  # pings would be a keep-alive that the vendor does not document
            open_timeout=_OPEN_SECONDS,
            close_timeout=_PATIENCE_SECONDS,
            backlog=_BACKLOG,
            logger=_silent,
        )
        await self._api.start(self._api_socket, backlog=_BACKLOG)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._agent is not None
        await self._stop_accepting()
        await self._api.stop()
        self._agent.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._agent.wait_closed(), 2 * _PATIENCE_SECONDS)
        self._journal.close()

    async def _stop_accepting(self) -> None:
        """Let who was accepted in this turn of the loop come in: asyncio can't make a connection of a closed server."""
        for listener in (self._agent_socket, self._api_socket):
            asyncio.get_running_loop().remove_reader(listener.fileno())
        for _ in range(2):
            await asyncio.sleep(0)

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0] != PATH:
            return _refuse(connection, HTTPStatus.NOT_FOUND, "NOT_FOUND", f"The emulator serves {PATH} here.")
        keys = _offered_keys(request)
        openers = [key for key in map(self._account.keyring.opener, keys) if key is not None]
        if not openers:
            return _refuse(connection, HTTPStatus.UNAUTHORIZED, "INVALID_AUTH", complaint(keys))
        allowed = next((key for key in openers if key.may("usage:write")), None)
        if allowed is None:
            text = "User does not have sufficient permissions."  # the vendor's page "Errors"
            return _refuse(connection, HTTPStatus.UNAUTHORIZED, "INSUFFICIENT_PERMISSIONS", text)
        assert isinstance(connection, AgentConnection)
        connection.key = allowed
        return self._cast(connection, request) or await self._fault_of_handshake(connection, request)

    async def _fault_of_handshake(self, connection: AgentConnection, request: Request) -> Response | None:
        """Slow the handshake down or refuse it, if that is a fault of this client's grant or scenario."""
        grant = self._grants.named(request.headers.get(GRANT_HEADER) or NAMELESS)
        journal = self._journal.session(grant.name, str(connection.id), request.headers.get("x-deepgram-session-id"))
        connection.wire = Wire(connection, grant, connection.scenario.faults if connection.scenario else (), journal)
        faults = connection.wire.faults
        self._grants.script(faults)
        await asyncio.sleep(sum(fault["delay"] for fault in faults if fault.kind == "slow-handshake") / 1000)
        refusal = grant.refusal(faults)
        if refusal is None:
            return None
        journal.add(TO_CLIENT, {"type": "(refused)", "status": refusal.status, "code": refusal.code})
        return _refuse(connection, refusal.status, refusal.code, refusal.message)

    def _cast(self, connection: AgentConnection, request: Request) -> Response | None:
        """Find what is to be played to this client, or refuse it."""
        asked = request.headers.get(SCENARIO_HEADER)
        try:
            connection.scenario = self._chosen_scenario(self._scenario if asked is None else unquote(asked))
        except BadScenario as error:
            return _refuse(connection, HTTPStatus.UNPROCESSABLE_ENTITY, "EMULATED_BAD_SCENARIO", str(error))
        return None

    def _chosen_scenario(self, reference: str | None) -> Scenario | None:
        return None if reference is None else self._library.find(reference)

    def _is_ours(self, key: str) -> bool:
        return self._account.keyring.opener(key) is not None

    def _answer(self, connection: ServerConnection, _: Request, response: Response) -> None:
        request_id = str(connection.id)
        # That it equals Welcome.request_id is the emulator's choice; the vendor documents neither yes nor no.
        response.headers["dg-request-id"] = request_id
        opens = response.status_code == HTTPStatus.SWITCHING_PROTOCOLS
        if opens and connection.protocol.state is State.CONNECTING:  # who is gone already gets no 101
            assert isinstance(connection, AgentConnection)
            connection.begin(self._account.open(request_id, connection.key))

    def _choose_subprotocol(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """Browsers fail when none of what they offered is chosen; the key itself is never sent back."""
        scheme = next((name for name in offered if name.lower() in _SCHEMES), None)
        return scheme or next((name for name in offered if not self._is_ours(name)), None)


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)  # now: with SO_REUSEADDR two processes may bind one port, but not listen on it
    except OSError as error:
        bound.close()
        raise OSError(f"can't listen on {host}:{port}: {error.strerror}") from None
    return bound


def _offered_keys(request: Request) -> list[str]:
    """Return the keys of ``Authorization: Token K`` and of the subprotocols ``token, K``; either scheme serves."""
    pairs = [split(value) for value in request.headers.get_all("Authorization")]
    protocols = [
        name.strip() for value in request.headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")
    ]
    pairs += itertools.pairwise(protocols)
    return [key.strip() for scheme, key in pairs if scheme.lower() in _SCHEMES]


def _refuse(connection: ServerConnection, status: int, code: str, message: str) -> Response:
    """Return a refusal in the vendor's form; ``dg-error`` as its speech sockets have it."""
    body = {"err_code": code, "err_msg": message, "request_id": str(connection.id)}
    response = connection.respond(HTTPStatus.BAD_REQUEST, json.dumps(body))
    response.status_code = int(status)  # a fault's may be one that has no name
    response.reason_phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Refused"
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    response.headers["dg-error"] = message
    return response


async def _converse(connection: ServerConnection, *, limits: Limits | None, agents: Agents | None) -> None:
    assert isinstance(connection, AgentConnection)
    assert connection.session is not None
    session = connection.session
    script = None if connection.scenario is None else Script(connection.scenario)
    conversation = Conversation(
        connection.wire.send,
        request_id=session.request_id,
        tag=session.configure,
        limits=limits,
        agents=agents,
        script=script,
    )
    speaking = asyncio.ensure_future(conversation.speak())
    hearing = asyncio.ensure_future(_hear(connection.wire, conversation))
    try:
        await asyncio.wait((speaking, hearing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        speaking.cancel()
        hearing.cancel()
        outcomes = await asyncio.gather(speaking, hearing, return_exceptions=True)
        conversation.end()
    failure = next((each for each in outcomes if isinstance(each, Exception)), None)
    if connection.wire.deaf:
        await connection.wait_closed()
    elif failure is not None and not isinstance(failure, ConnectionClosed):
        await _fail(connection, failure)


async def _hear(wire: Wire, conversation: Conversation) -> None:
    await conversation.welcome()
    async for message in wire.messages():
        await conversation.receive(message)


async def _fail(connection: AgentConnection, failure: Exception) -> None:
    """Send the Error and close: the documentation says to treat any Error as the session's end."""
    if isinstance(failure, Closed):
        return await connection.close(failure.code, "the scenario closes")
    close_code = CLOSE_CLIENT_FAULT
    if not isinstance(failure, ProtocolError):
        _log.error("the emulator failed", exc_info=failure)
        failure = ProtocolError("INTERNAL_SERVER_ERROR", f"The emulator failed: {type(failure).__name__}.")
        close_code = CLOSE_OUR_FAULT
    try:
        await asyncio.wait_for(_part(connection, failure, close_code), 2 * _PATIENCE_SECONDS)
    except asyncio.TimeoutError:
        connection.transport.abort()  # it reads nothing: neither Error nor Close will get through


async def _part(connection: AgentConnection, failure: ProtocolError, close_code: int) -> None:
    message = {"type": "Error", "description": failure.description, "code": failure.code}
    with contextlib.suppress(ConnectionClosed):
        await connection.wire.send(json.dumps(message))
        await connection.close(close_code, failure.code)
