"""A gateway's server and run in this process, without an owner, and requests to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NoReturn

from websockets.asyncio.client import connect

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.gateway.bearers import Owner
from pytest_dgbudget.gateway.events import Event, Events, LeaseSettled
from pytest_dgbudget.gateway.hosts import AllowedHosts
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.remarks import Remarks
from pytest_dgbudget.gateway.routes.router import router_of
from pytest_dgbudget.gateway.routes.unmetered import Unmetered, unmetered_of
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.server import ClientConnection
from pytest_dgbudget.gateway.services import SERVICES
from pytest_dgbudget.gateway.services.service import Service
from pytest_dgbudget.gateway.targets.target import Target
from pytest_dgbudget.gateway.unauthenticated import UnauthenticatedConnections
from pytest_dgbudget.model import OtherTarget, Refusal
from pytest_dgbudget.protocol.operations import GrantedAttempt
from tests.support.gateway import ask_nobody, asked, run_config_for, say_nothing
from tests.support.ledger import changes_of, open_ledger, rows_of


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Served:
    """A gateway in this process: its port, its run, and the folder of its ledger."""

    port: int
    run: Run
    folder: Path
    unmetered: Unmetered
    remarks: Remarks
    events: list[Event] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def grant(
        self, nodeid: str = "test_it.py::test_it", *, budget_ms: int | None = None, target: OtherTarget | None = None
    ) -> GrantedAttempt:
        """Begin a test."""
        owner = Owner(role="controller", ask=ask_nobody, notify=say_nothing)
        return await self.run.grant(owner, asked(nodeid, budget_ms=budget_ms, target=target))

    async def token(self, budget_ms: int | None = None) -> str:
        return (await self.grant(budget_ms=budget_ms)).token

    async def end(self, granted: GrantedAttempt) -> None:
        await self.run.end(Owner(role="controller", ask=ask_nobody, notify=say_nothing), granted.id)

    async def refusals(self, granted: GrantedAttempt) -> tuple[Refusal, ...]:
        """Return what a test is told of its clients."""
        return (await self.run.attempts.verdict(granted.id)).refusals

    async def ask(
        self, method: str, path: str, token: str = "", *, body: bytes | None = None, **headers: str
    ) -> Answer:
        """Make a request; underscores in names of headers are hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token and "Authorization" not in sent:
            sent["Authorization"] = f"Token {token}"
        return await asyncio.to_thread(self._exchange, method, path, body, sent)

    def session(self, path: str = "/v1/agent/converse", **options: Any) -> connect:
        """Open a WebSocket as an ordinary client does."""
        return connect(f"ws://127.0.0.1:{self.port}{path}", proxy=None, compression=None, **options)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return rows_of(self.folder, statement)

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()


def by_token(token: str, scheme: str = "Token") -> dict[str, Any]:
    """Return the options of a session that shows a token."""
    return {"additional_headers": {"Authorization": f"{scheme} {token}"}}


@asynccontextmanager
async def served(
    folder: Path,
    target: Target,
    *,
    run_config: RunConfig | None = None,
    key: str | None = None,
    services: Sequence[Service] = SERVICES,
    other_target: Target | None = None,
    budget_ms: int | None = None,
) -> AsyncIterator[Served]:
    """Serve; ``other_target`` is that of tests that are not dialled where their run is."""
    loop = asyncio.get_running_loop()
    run_config = run_config or run_config_for("ws://127.0.0.1:1/", folder)
    thread = LedgerThread(lambda error: None)
    ledger = await thread.call(open_ledger, folder / ".dgbudget/ledger.db", budget_ms=budget_ms)
    thread.attach(ledger)
    events = Events()
    changes = changes_of(folder / ".dgbudget/ledger.db")
    run = Run(run_config, ledger, thread, events, changes, access=target.access if run_config.is_live else None)
    unmetered, unauthenticated = unmetered_of(run_config, key, events), UnauthenticatedConnections()

    async def opened() -> Run:
        return run

    async def found(instead: OtherTarget | None) -> Target:
        return other_target if instead is not None and other_target is not None else target

    def no_control() -> NoReturn:
        raise AssertionError("nobody asks for control here")

    router = router_of(run_config, key, services, opened, found, unmetered)
    hosts = AllowedHosts(run_config.allowed_hosts)
    server = await loop.create_server(
        lambda: ClientConnection(router, hosts, unauthenticated, no_control), "127.0.0.1", 0
    )
    gateway = Served(server.sockets[0].getsockname()[1], run, folder, unmetered, Remarks(events))
    events.subscribe(gateway.events.append)
    events.subscribe(lambda event: gateway.settled.set() if isinstance(event, LeaseSettled) else None)
    try:
        yield gateway
    finally:
        unmetered.close()
        server.close()
        await run.end_all("teardown")
        await thread.close()
