"""One port on 127.0.0.1, and another on request: the Voice Agent's WebSocket and the management API on both."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.protocol import State

from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.connection import PATIENCE_SECONDS, AgentConnection, converse
from pytest_dgbudget.emulator.faults.grants import Grants
from pytest_dgbudget.emulator.handshake import PATH, Handshake
from pytest_dgbudget.emulator.http import Answer, HttpServer, Refusal
from pytest_dgbudget.emulator.http import Request as ApiRequest
from pytest_dgbudget.emulator.journal import Journal
from pytest_dgbudget.emulator.management.api import ManagementApi
from pytest_dgbudget.emulator.own_api import PREFIX, OwnApi
from pytest_dgbudget.emulator.project.agents import Agents
from pytest_dgbudget.emulator.project.billing import SETTLEMENT_LAG, Project, UsageRecord
from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.project.continuation import Continuation, session_line
from pytest_dgbudget.emulator.project.prices import USD_PER_MINUTE
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.scenario import ReusableAgents
from pytest_dgbudget.emulator.session_clock import Pace, SessionClock

HOST = "127.0.0.1"
MAX_MESSAGE = 32 * 2**20  # bytes; the vendor documents no limit

_BACKLOG = 1024
_OPEN_SECONDS = 60.0  # longer than clients wait, so that it is the client that gives up on a slow handshake
_MOST_CLOCKS = 10_000  # sessions of which it is known what they skipped

# The library logs a traceback for every malformed handshake; those are the client's fault, and are dropped.
_silent = logging.Logger("dgbudget-emulator-websockets", level=logging.CRITICAL + 1)


class Emulator:
    """The ports, bound by the constructor (OSError names the one that fails); they answer inside ``async with``.

    ``api_port``: another port, beside the one that serves everything. ``api_key`` and ``project_id`` are made up unless
    given. ``settlement_lag``, ``prices`` and ``clock`` are those of Project, ``page_base`` and ``wrapped`` of
    ManagementApi. ``behavior`` and ``pace`` apply to sessions that ask for nothing else, ``agents`` (reusable ones) to
    all. ``scenario``, FILE or FILE::NAME, is played to clients that name none; raises BadScenario if it is invalid.
    ``journal`` is a file to which records are appended. ``patience`` is how many seconds a client may take that neither
    reads nor answers the Close. ``continues`` has the bill of an emulator in whose place this one is.
    """

    def __init__(
        self,
        *,
        host: str = HOST,
        port: int = 0,
        api_port: int | None = None,
        api_key: str | None = None,
        project_id: str | None = None,
        settlement_lag: float = SETTLEMENT_LAG,
        prices: Mapping[str, float] = USD_PER_MINUTE,
        clock: Clock | None = None,
        page_base: int = 0,
        wrapped: bool = True,
        behavior: Behavior | None = None,
        pace: Pace = "vendor",
        agents: ReusableAgents | None = None,
        scenario: str | None = None,
        journal: Path | None = None,
        patience: float = PATIENCE_SECONDS,
        continues: Continuation | None = None,
    ) -> None:
        self._patience = patience
        self.project_id = project_id or str(uuid.uuid4())
        clock = clock or Clock()
        given = agents or ReusableAgents()
        self._project = Project(
            project_id=self.project_id,
            api_key=api_key,
            agents=Agents(clock, given.agents, given.variables),
            settlement_lag=settlement_lag,
            prices=prices,
            clock=clock,
            records=[] if continues is None else continues.records(clock),
        )
        self.api_key = self._project.keyring.owners.secret
        self._host = host
        self._grants = Grants()
        self._clocks: dict[str, SessionClock] = {}
        library = Library()
        behavior = behavior or Behavior()
        self._converse = functools.partial(converse, behavior=behavior, agents=self._project.agents, patience=patience)
        bare_agents = behavior.vendor.agent_list == "bare"
        api = ManagementApi(self._project, page_base=page_base, wrapped=wrapped, bare_agents=bare_agents)
        with contextlib.ExitStack() as undo:
            self._journal = undo.enter_context(contextlib.closing(Journal(journal)))
            self._handshake = Handshake(
                keyring=self._project.keyring,
                library=library,
                scenario=scenario,
                pace=pace,
                grants=self._grants,
                journal=self._journal,
            )
            self._sockets = [undo.enter_context(_bind(host, each)) for each in (port, api_port) if each is not None]
            undo.pop_all()
        own = OwnApi(library, self._grants, self._journal, self._clocks, api_key=self.api_key)
        self._http = HttpServer(lambda request: self._respond(request, own, api))
        self._servers: list[Server] = []

    def _respond(self, request: ApiRequest, own: OwnApi, vendors: ManagementApi) -> Answer:
        """Answer a request that is no handshake; faults apply only to the vendor's part."""
        if request.path.startswith(PREFIX):
            return own.respond(request)
        if request.path == PATH:
            raise Refusal(400, "Bad Request", "An agent is opened by a WebSocket handshake.")
        refusal = self._grants.api_refusal()
        answer = vendors.respond(request) if refusal is None else refusal.answer(request.id)
        return replace(answer, delay=self._grants.api_delay())

    @property
    def agent_url(self) -> str:
        return f"ws://{self._address(0)}{PATH}"

    @property
    def api_url(self) -> str:
        return f"http://{self._address(-1)}"

    def _address(self, n: int) -> str:
        return f"{self._host}:{self._sockets[n].getsockname()[1]}"

    def on_bill(self, write: Callable[[str], None]) -> None:
        """Write a line whenever a session changes, for an emulator that continues should this one die."""

        def changed(request_id: str, records: Sequence[UsageRecord], further_price: float | None) -> None:
            write(session_line(request_id, records, further_price, self._project.clock))

        self._project.changed = changed

    def addresses(self) -> dict[str, str]:
        """Return what a client needs: the first line on stdout."""
        return {
            "agent_url": self.agent_url,
            "api_url": self.api_url,
            "api_key": self.api_key,
            "project_id": self.project_id,
        }

    @property
    def sessions(self) -> list[ServerConnection]:
        """The sessions that are open."""
        return [connection for server in self._servers for connection in server.connections]

    async def __aenter__(self) -> Emulator:
        for listener in self._sockets:
            self._servers.append(
                await serve(
                    self._converse,
                    sock=listener,
                    process_request=self._handshake.admit,
                    process_response=self._answer,
                    select_subprotocol=self._handshake.choose_subprotocol,
                    create_connection=cast(Any, functools.partial(AgentConnection, http=self._http)),
                    compression=None,
                    max_size=MAX_MESSAGE,
                    ping_interval=None,  # pings would be a keep-alive that the vendor does not document
                    open_timeout=_OPEN_SECONDS,
                    close_timeout=self._patience,
                    backlog=_BACKLOG,
                    logger=_silent,
                )
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop_accepting()
        await self._http.stop()
        for server in self._servers:
            server.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wait_closed(), 2 * self._patience)
        self._journal.close()

    async def _wait_closed(self) -> None:
        for server in self._servers:
            await server.wait_closed()

    async def _stop_accepting(self) -> None:
        """Finish connections just accepted, since asyncio can't complete them on a closed server."""
        for listener in self._sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        for _ in range(2):
            await asyncio.sleep(0)

    def _answer(self, connection: ServerConnection, _: Request, response: Response) -> None:
        request_id = str(connection.id)
        # That it equals Welcome.request_id is the emulator's choice; the vendor does not say.
        response.headers["dg-request-id"] = request_id
        opens = response.status_code == HTTPStatus.SWITCHING_PROTOCOLS
        if opens and connection.protocol.state is State.CONNECTING:  # not if the client is already gone
            assert isinstance(connection, AgentConnection)
            self._clocks[request_id] = connection.begin(self._project.open(request_id, connection.key))
            if len(self._clocks) > _MOST_CLOCKS:
                del self._clocks[next(iter(self._clocks))]


def _bind(host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio leaves Nagle's algorithm on for sockets that name none.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)  # at once: with SO_REUSEADDR two processes may bind one port, but only one can listen
    except OSError as error:
        bound.close()
        raise OSError(f"can't listen on {host}:{port}: {error.strerror}") from None
    return bound
