"""Another service at another target runs through server, relay and run as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.credentials import Credentials
from pytest_dgbudget.gateway.events import LeaseSettled, SessionEnded, SessionWelcomed
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.services import SERVICES
from pytest_dgbudget.gateway.services.service import SessionContext
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.protocol.codes import BUDGET_USED_UP
from tests.support.served import Served, served

KEY = "the-key-of-the-ticks"


class Ticks:
    """A service of nobody's: its own path and headers, twice the price, and a first message that names the session."""

    name = "ticks"
    paths = ("/v9/ticks", "/ticks")
    rate = 2

    def credentials(self, request: Request) -> Credentials:
        return Credentials(token=request.header("x-ticks-token"), subprotocols=(), chosen=None)

    def dial_headers(self, request: Request, key: str) -> Mapping[str, str]:
        return {"x-ticks-key": key}

    def passes_down(self, header: str) -> bool:
        return header == "x-ticks-zone"

    def handshake_id(self, headers: Sequence[tuple[str, str]]) -> str | None:
        return None

    def inspect(self, context: SessionContext) -> TickInspection:
        return TickInspection(context)


class TickInspection:
    configured = True
    tagged = False
    waits_for_client = False
    is_reading = False
    awaits_answer = False

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self.request_id: str | None = None
        self.last_moved_ms = context.clock.now_ms()

    def moved(self) -> None:
        self.last_moved_ms = self._context.clock.now_ms()

    def client_audio(self, chunk: Chunk) -> None:
        self.moved()

    def vendor_audio(self, frames: int, size: int) -> None:
        self.moved()

    def closing(self) -> None: ...

    def ended(self, *, cut: bool) -> None: ...

    def client_said(self, text: bytes) -> bytes:
        return text

    def client_said_too_much(self) -> None:
        self.moved()

    def vendor_said(self, text: bytes) -> None:
        if self.request_id is None:
            self.request_id = text.decode()
            self._context.emit(SessionWelcomed(session=self._context.session, at_ms=0, request_id=self.request_id))

    def audio_ms(self, *, in_bytes: int, out_bytes: int) -> tuple[int | None, int | None]:
        return in_bytes * 1000, None


@dataclass
class TickVendor:
    """Names each session, and then sends back what it gets."""

    url: str = ""
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    async def talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        headers = connection.request.headers
        self.asked.append((connection.request.path, headers.get("x-ticks-key"), headers.get("authorization")))
        await connection.send("tick-session-1")
        async for message in connection:
            await connection.send(message)


@asynccontextmanager
async def ticking(folder: Path) -> AsyncIterator[tuple[Served, TickVendor]]:
    vendor = TickVendor()
    async with serve(vendor.talk, "127.0.0.1", 0) as server:
        vendor.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/far?x=1"
        target = LiveTarget({Ticks.name: vendor.url}, KEY, None)
        async with served(folder, target, services=(*SERVICES, Ticks())) as gateway:
            yield gateway, vendor


def test_a_second_service_is_dialled_inspected_and_recorded_its_own_way(tmp_path: Path) -> None:
    async def main() -> None:
        async with ticking(tmp_path) as (gateway, vendor):
            token = await gateway.token()
            url, headers = f"ws://127.0.0.1:{gateway.port}/ticks?y=2", {"x-ticks-token": token}
            async with connect(url, additional_headers=headers, proxy=None) as client:
                assert await client.recv() == "tick-session-1"
                await client.send(b"\0\0\0")
                assert await client.recv() == b"\0\0\0"
            await gateway.run.end_all("teardown")
            assert vendor.asked == [("/far?x=1&y=2", KEY, None)]
            columns = "request_id, audio_in_ms, audio_out_ms, closed_by, tagged"
            assert gateway.rows(f"SELECT {columns} FROM usage") == [("tick-session-1", 3000, None, "client", 0)]

    run_metering(main())


def test_a_services_rate_sets_what_a_session_uses_and_when_it_is_cut(tmp_path: Path) -> None:
    async def main() -> None:
        async with ticking(tmp_path) as (gateway, _):
            token, loop = await gateway.token(budget_ms=2000), asyncio.get_running_loop()
            url, headers = f"ws://127.0.0.1:{gateway.port}/v9/ticks", {"x-ticks-token": token}
            started_at = loop.time()
            async with connect(url, additional_headers=headers, proxy=None) as client:
                await client.recv()
                with pytest.raises(ConnectionClosed) as closed:
                    await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == BUDGET_USED_UP
            # Two seconds at twice the price are one on the clock, less the margin of a tenth of the allowance.
            assert 0.7 < loop.time() - started_at < 1.5
            await gateway.run.end_all("teardown")
            ((used_ms, settled_ms),) = gateway.rows("SELECT usage.ms, lease_end.ms FROM usage, lease_end")
            assert 1500 < used_ms == settled_ms

    run_metering(main())


def test_a_token_counts_only_where_its_service_looks_for_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with ticking(tmp_path) as (gateway, vendor):
            headers = {"Authorization": f"Token {await gateway.token()}"}
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://127.0.0.1:{gateway.port}/ticks", additional_headers=headers, proxy=None)
            assert refused.value.response.status_code == 401
            assert vendor.asked == []

    run_metering(main())


def test_a_service_that_the_target_lacks_is_refused_undialled(tmp_path: Path) -> None:
    async def main() -> None:
        async with ticking(tmp_path) as (gateway, vendor):
            url = f"ws://127.0.0.1:{gateway.port}/v1/agent/converse"
            headers = {"Authorization": f"Token {await gateway.token()}"}
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, additional_headers=headers, proxy=None)
            assert refused.value.response.status_code == 502
            assert b"has no deepgram-agent" in (refused.value.response.body or b"")
            assert vendor.asked == []

    run_metering(main())


def test_who_asks_for_nothing_that_is_served_is_shown_what_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with ticking(tmp_path) as (gateway, _):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://127.0.0.1:{gateway.port}/elsewhere", proxy=None)
            assert refused.value.response.status_code == 404
            shown = (refused.value.response.body or b"").decode()
            assert [path in shown for path in ("/v1/agent/converse", "/v9/ticks")] == [True, True]

    run_metering(main())


def test_a_sessions_life_is_emitted_once_and_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with ticking(tmp_path) as (gateway, _):
            token = await gateway.token(budget_ms=1000)
            url, headers = f"ws://127.0.0.1:{gateway.port}/ticks", {"x-ticks-token": token}
            async with connect(url, additional_headers=headers, proxy=None) as client:
                await client.recv()
                with pytest.raises(ConnectionClosed):
                    await client.recv()
            await gateway.settled.wait()
            with pytest.raises(InvalidStatus):
                await connect(url, additional_headers=headers, proxy=None)
            kinds = "SessionDialled SessionOpened SessionWelcomed SessionsCut SessionEnded LeaseSettled SessionRefused"
            assert [type(event).__name__ for event in gateway.events] == kinds.split()
            ended, settled = gateway.events[4:6]
            assert isinstance(ended, SessionEnded)
            assert isinstance(settled, LeaseSettled)
            assert (ended.usage.closed_by, ended.usage.ms) == ("test-budget", settled.used_ms)

    run_metering(main())
