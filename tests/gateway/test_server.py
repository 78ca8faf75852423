"""Every connection begins at the server: where it is shown in, and what turns it away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.control import ControlConnection
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.hosts import AllowedHosts
from pytest_dgbudget.gateway.minted import MintedTokens
from pytest_dgbudget.gateway.routes.router import router_of
from pytest_dgbudget.gateway.routes.unmetered import unmetered_of
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.server import ClientConnection
from pytest_dgbudget.gateway.services import SERVICES
from pytest_dgbudget.gateway.targets.target import Target
from pytest_dgbudget.gateway.unauthenticated import UnauthenticatedConnections
from pytest_dgbudget.model import OtherTarget
from tests.support.gateway import run_config_for
from tests.support.vendor import KEY

pytestmark = pytest.mark.asyncio


class NoTokens:
    """A run that has granted nothing, and its own bearers."""

    @property
    def bearers(self) -> NoTokens:
        return self

    @property
    def strangers(self) -> NoTokens:
        return self

    minted = MintedTokens()

    async def find(self, token: str, gone: asyncio.Future[None]) -> None:
        return None

    async def knows(self, token: str) -> bool:
        return False

    def test_that_is_over(self, token: str) -> None:
        return None

    def note(self, status: int, code: str, reason: str) -> None:
        """There is no report of this."""


class Greeting(asyncio.Protocol):
    """Takes the control connection's place: says what it has received."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"control:")

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)
        self._transport.close()


class Server:
    """A server on a port of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(
        self,
        path: str = "/v1/agent/converse",
        upgrade: str = "websocket",
        host: str = "127.0.0.1:{port}",
        rest: str = "",
    ) -> str:
        """Make a request, and return all that comes."""
        head = f"GET {path} HTTP/1.1\r\nHost: {host.format(port=self._port)}\r\nUpgrade: {upgrade}\r\n\r\n"
        return await self.say(head + rest)

    async def say(self, text: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(text.encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.decode()


@asynccontextmanager
async def serving(failure: Exception | None = None, allowed_hosts: Sequence[str] = ()) -> AsyncIterator[Server]:
    """Serve; the run is there, or fails to be."""
    run_config = run_config_for("ws://127.0.0.1:1/", Path())
    unauthenticated = UnauthenticatedConnections()

    async def run() -> Run:
        if failure is not None:
            raise failure
        return cast(Run, NoTokens())

    async def target(_: OtherTarget | None) -> Target:
        raise AssertionError("nothing may be dialled")

    def connection() -> ClientConnection:
        control = cast(ControlConnection, Greeting())
        router = router_of(run_config, KEY, SERVICES, run, target, unmetered_of(run_config, KEY, Events()))
        return ClientConnection(router, AllowedHosts(allowed_hosts), unauthenticated, lambda: control)

    async with await asyncio.get_running_loop().create_server(connection, "127.0.0.1") as server:
        yield Server(server.sockets[0].getsockname()[1])


def refusal_of(answer: str) -> tuple[int, str, str]:
    """Return its status, code and message."""
    document = json.loads(answer.partition("\r\n\r\n")[2])
    return int(answer.split()[1]), document["err_code"], document["err_msg"]


async def test_an_owner_is_handed_to_the_control_connection_with_what_it_has_said_already() -> None:
    async with serving() as server:
        assert await server.ask("/control", "dgbudget-control", rest="hello") == "control:hello"


@pytest.mark.parametrize(
    ("path", "upgrade"), [("/", "websocket"), ("/control", "websocket"), ("/v1/agent/converse", "dgbudget-control")]
)
async def test_any_other_path_is_not_found_and_the_right_one_is_named(path: str, upgrade: str) -> None:
    async with serving() as server:
        status, code, message = refusal_of(await server.ask(path, upgrade))
    assert (status, code) == (404, "DGBUDGET_NOT_FOUND")
    assert "open a WebSocket at ws://127.0.0.1:" in message


@pytest.mark.parametrize("path", ["/v1/agent/converse", "/control"])
async def test_another_host_is_refused(path: str) -> None:
    async with serving() as server:
        assert refusal_of(await server.ask(path, host="evil.example:{port}"))[:2] == (403, "DGBUDGET_WRONG_HOST")


async def test_what_is_no_request_is_refused() -> None:
    async with serving() as server:
        assert refusal_of(await server.say("hello\r\n\r\n"))[:2] == (400, "DGBUDGET_BAD_REQUEST")


async def test_a_token_that_is_not_known_opens_nothing() -> None:
    async with serving() as server:
        assert refusal_of(await server.ask())[:2] == (401, "DGBUDGET_UNAUTHORIZED")


async def test_a_ledger_that_can_not_be_used_is_named() -> None:
    async with serving(LedgerError("the ledger is broken")) as server:
        assert refusal_of(await server.ask()) == (503, "DGBUDGET_LEDGER", "the ledger is broken")


async def test_a_mistake_of_ours_is_logged_and_its_text_kept_from_clients(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(ValueError("what nobody may read")) as server:
        answer = await server.ask()
    assert refusal_of(answer)[:2] == (500, "DGBUDGET_INTERNAL")
    assert "what nobody may read" not in answer
    assert "what nobody may read" in capsys.readouterr().err
