"""Two ports on 127.0.0.1: the Voice Agent's WebSocket and the management API."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import uuid
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.protocol import State

from pytest_dgbudget.emulator.agent.limits import Limits
from pytest_dgbudget.emulator.audio.voice import USUAL_PACE, Pace
from pytest_dgbudget.emulator.connection import PATIENCE_SECONDS, AgentConnection, converse
from pytest_dgbudget.emulator.faults.grants import Grants
from pytest_dgbudget.emulator.handshake import PATH, Handshake
from pytest_dgbudget.emulator.http import Answer, HttpServer
from pytest_dgbudget.emulator.http import Request as ApiRequest
from pytest_dgbudget.emulator.journal import Journal
from pytest_dgbudget.emulator.management.api import ManagementApi
from pytest_dgbudget.emulator.own_api import PREFIX, OwnApi
from pytest_dgbudget.emulator.project.billing import SETTLEMENT_LAG, Project
from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.project.prices import USD_PER_MINUTE
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.scenario import Agents

HOST = "127.0.0.1"
MAX_MESSAGE = 32 * 2**20  # bytes; the vendor documents no limit

_BACKLOG = 1024
_OPEN_SECONDS = 60.0  # longer than clients wait, so that it is the client that gives up on a slow handshake

# The library logs a traceback for every malformed handshake; those are the client's fault, and are dropped.
_silent = logging.Logger("dgbudget-emulator-websockets", level=logging.CRITICAL + 1)


class Emulator:
    """Both ports, bound by the constructor (OSError names the one that fails); they answer inside ``async with``.

    ``settlement_lag``, ``prices`` and ``clock`` are those of Project, ``page_base`` and ``wrapped`` of ManagementApi.
    ``limits`` and ``agents`` (reusable ones) apply to every session. ``scenario``, FILE or FILE::NAME, is played to
    clients that name none; raises BadScenario if it is invalid. ``journal`` is a file to which records are appended.
    ``pace`` is how fast it speaks. ``patience`` is how many seconds a client may take that neither reads nor answers
    the Close.
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
        pace: Pace = USUAL_PACE,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._converse = functools.partial(converse, limits=limits, agents=agents, pace=pace, patience=patience)
        self._patience = patience
        self.project_id = str(uuid.uuid4())
        self._project = Project(project_id=self.project_id, settlement_lag=settlement_lag, prices=prices, clock=clock)
        self.api_key = self._project.keyring.owners.secret
        self._host = host
        self._grants = Grants()
        library = Library()
        api = ManagementApi(self._project, page_base=page_base, wrapped=wrapped)
        with contextlib.ExitStack() as undo:
            self._journal = undo.enter_context(contextlib.closing(Journal(journal)))
            self._handshake = Handshake(
                keyring=self._project.keyring,
                library=library,
                scenario=scenario,
                grants=self._grants,
                journal=self._journal,
            )
            self._agent_socket = undo.enter_context(_bind(host, port))
            self._api_socket = undo.enter_context(_bind(host, api_port))
            undo.pop_all()
        own = OwnApi(library, self._grants, self._journal, api_key=self.api_key)
        self._api = HttpServer(lambda request: self._respond(request, own, api))
        self._agent: Server | None = None

    def _respond(self, request: ApiRequest, own: OwnApi, vendors: ManagementApi) -> Answer:
        """Answer on the API port; faults apply only to the vendor's part of it."""
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
        """Return what a client needs: the first line on stdout."""
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
            process_request=self._handshake.admit,
            process_response=self._answer,
            select_subprotocol=self._handshake.choose_subprotocol,
            create_connection=AgentConnection,
            compression=None,
            max_size=MAX_MESSAGE,
            ping_interval=None,  # pings would be a keep-alive that the vendor does not document
            open_timeout=_OPEN_SECONDS,
            close_timeout=self._patience,
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
            await asyncio.wait_for(self._agent.wait_closed(), 2 * self._patience)
        self._journal.close()

    async def _stop_accepting(self) -> None:
        """Finish connections just accepted, since asyncio can't complete them on a closed server."""
        for listener in (self._agent_socket, self._api_socket):
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
            connection.begin(self._project.open(request_id, connection.key))


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
