"""An owner's end of a control connection, against a gateway's end that does as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from pytest_dgbudget.control.connection import ConnectionLost, Control, connect, dial
from pytest_dgbudget.errors import GatewayError, LedgerError
from pytest_dgbudget.protocol.authentication import GatewayAuthentication, Peer
from pytest_dgbudget.protocol.control import Asked, Authenticated, ControlProtocol, ProtocolViolation
from pytest_dgbudget.protocol.notifications import Heartbeat
from pytest_dgbudget.protocol.operations import GetRemaining, StopRun
from tests.support.stream_server import Serve, serving

SECRET = "the control secret"
GATEWAY = Peer(role="gateway", pid=8, started="then")
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
ASKED = GetRemaining(attempt="a")

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def joinable(serve: Serve) -> AsyncIterator[int]:
    """Serve each connection like this, after its request; yields the port."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ProtocolViolation):
            await serve(reader, writer)

    async with serving(served) as port:
        yield port


class Gateway:
    """Authenticates, says what ``first`` says, and answers what it is asked by ``answer``; None hangs up."""

    def __init__(
        self,
        answer: Callable[[ControlProtocol, Asked], object] | None = None,
        *,
        secret: str = SECRET,
        first: Callable[[ControlProtocol], object] = lambda _: None,
    ) -> None:
        self._answer = answer
        self._secret = secret
        self._first = first

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ControlProtocol(GatewayAuthentication(self._secret, "c", GATEWAY), longest_line=10_000)
        writer.write(UPGRADED + protocol.to_send())
        while data := await reader.read(1000):
            for event in protocol.receive(data):
                if isinstance(event, Authenticated):
                    self._first(protocol)
                if isinstance(event, Asked):
                    if self._answer is None:
                        return
                    self._answer(protocol, event)
            writer.write(protocol.to_send())


async def joined(port: int, handlers: dict[Any, Callable[[Any], None]] | None = None) -> Control:
    return await connect(port, SECRET, "worker", handlers or {}, {})


async def test_it_learns_which_process_the_gateway_is() -> None:
    async with joinable(Gateway()) as port:
        control = await joined(port)
        assert control.gateway == GATEWAY
        await control.close()


async def test_it_returns_the_answer_or_raises_the_error() -> None:
    def answer(protocol: ControlProtocol, asked: Asked) -> None:
        if asked.operation == ASKED:
            protocol.answer(asked.id, 1.5)
        else:
            protocol.fail(asked.id, LedgerError("the disk is full"))

    async with joinable(Gateway(answer)) as port:
        control = await joined(port)
        assert await control.ask(ASKED) == 1.5
        with pytest.raises(LedgerError, match="the disk is full"):
            await control.ask(StopRun())
        await control.close()


async def test_a_notification_is_handed_to_its_handler() -> None:
    heard: asyncio.Future[Heartbeat] = asyncio.get_running_loop().create_future()
    async with joinable(Gateway(first=lambda protocol: protocol.notify(Heartbeat()))) as port:
        control = await joined(port, {Heartbeat: heard.set_result})
        assert await asyncio.wait_for(heard, 10) == Heartbeat()
        await control.close()


async def test_what_waits_for_a_lost_gateway_is_lost() -> None:
    async with joinable(Gateway(answer=None)) as port:
        control = await joined(port)
        with pytest.raises(ConnectionLost, match="the gateway is gone"):
            await asyncio.wait_for(control.ask(ASKED), 10)
        assert control.gone.is_set()
        with pytest.raises(ConnectionLost):
            await control.ask(ASKED)
        await control.close()


async def test_an_answer_of_another_kind_loses_the_gateway() -> None:
    async with joinable(Gateway(lambda protocol, asked: protocol.answer(asked.id, "soon"))) as port:
        control = await joined(port)
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(control.ask(ASKED), 10)
        await control.close()


async def test_a_gateway_with_another_secret_is_not_joined() -> None:
    async with joinable(Gateway(secret="another")) as port:
        with pytest.raises(GatewayError, match=f"the gateway on port {port} ended before it was joined"):
            await joined(port)


async def _forge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(UPGRADED + b'{"challenge": "c"}\n')
    await reader.readline()
    writer.write(b'{"proof": "0", "peer": {"role": "gateway", "pid": 1, "started": null}}\n')
    await reader.read()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 404 Not Found\r\n\r\n")


@pytest.mark.parametrize("serve", [_forge, _refuse])
async def test_what_can_not_prove_the_secret_is_not_the_gateway(serve: Serve) -> None:
    async with joinable(serve) as port:
        with pytest.raises(GatewayError, match=f"what listens on port {port} is not the gateway of this run"):
            await joined(port)


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close at once."""


async def test_a_gateway_that_ends_before_it_answers_is_reported() -> None:
    async with joinable(_hang_up) as port:
        with pytest.raises(GatewayError, match=f"the gateway on port {port} ended before it was joined"):
            await joined(port)


async def test_a_port_that_nobody_listens_on_is_reported() -> None:
    async with joinable(_hang_up) as port:
        pass
    with pytest.raises(GatewayError, match=f"the gateway on port {port} can't be reached"):
        await joined(port)


async def test_a_process_without_a_descriptor_left_does_not_say_that_the_gateway_is_gone() -> None:
    resource = pytest.importorskip("resource")
    async with joinable(Gateway()) as port:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(GatewayError) as raised:
                await dial(port)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert str(raised.value) == (
        "this process can't open a socket: Too many open files; see ulimit -n; nothing was dialled"
    )
