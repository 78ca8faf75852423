"""A session's open and close: connect, Welcome, Settings, SettingsApplied, close."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from websockets.asyncio.client import connect

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.programs import program
from benchmarks.through_gateway import KEY, gateway
from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS
from pytest_dgbudget.client.voice_agent import VoiceAgent

SESSIONS = 50
SETTINGS = json.dumps(DEFAULT_SETTINGS)
PATH = "/v1/agent/converse"


def benchmarks() -> Sequence[Benchmark]:
    return [OpenClose().benchmark()]


@dataclass(slots=True)
class OpenClose:
    """`server` and `agent` are there from the reference's setup on, which is around all others."""

    server: str = ""
    agent: VoiceAgent | None = None

    def benchmark(self) -> Benchmark:
        return Benchmark(
            name="open_close",
            title="open and close of a session",
            subjects=[
                Subject(name="websockets", trial=self.websockets, setup=self.everything),
                Subject(name="websockets without compression", trial=self.websockets_plain),
                Subject(name="deepgram-sdk async", trial=self.sdk_async, needs=["deepgram"]),
                Subject(name="deepgram-sdk sync", trial=self.sdk_sync, needs=["deepgram"]),
                Subject(name="aiohttp", trial=self.aiohttp, needs=["aiohttp"]),
                Subject(name="websockets through the gateway", trial=self.through_gateway),
                Subject(name="voice_agent.connect()", trial=self.voice_agent),
            ],
            figures=[Figure(name="milliseconds", unit="ms", reach=REACH)],
            trials=40,
            quick_trials=12,
        )

    @contextmanager
    def everything(self) -> Iterator[None]:
        with program("agent_server") as server:
            self.server = f"ws://127.0.0.1:{server.line()}"
            with gateway(self.server + PATH) as through:
                self.agent = through.voice_agent()
                yield

    def websockets(self) -> Figures:
        return asyncio.run(timed(lambda: with_websockets(self.server + PATH, KEY)))

    def websockets_plain(self) -> Figures:
        return asyncio.run(timed(lambda: with_websockets_plain(self.server + PATH)))

    def through_gateway(self) -> Figures:
        assert self.agent is not None
        endpoint = self.agent.endpoint
        return asyncio.run(timed(lambda: with_websockets(endpoint.agent_url, endpoint.api_key)))

    def voice_agent(self) -> Figures:
        agent = self.agent
        assert agent is not None
        return asyncio.run(timed(lambda: with_fixture(agent)))

    def aiohttp(self) -> Figures:
        return asyncio.run(with_aiohttp(self.server + PATH))

    def sdk_async(self) -> Figures:
        from benchmarks.official_sdk import AsyncSdk

        return asyncio.run(timed(AsyncSdk(self.server).open_and_close))

    def sdk_sync(self) -> Figures:
        from benchmarks.official_sdk import SyncSdk

        sdk = SyncSdk(self.server)
        return {"milliseconds": [milliseconds(sdk.open_and_close) for _ in range(SESSIONS)]}


REACH = Reach(
    subject="websockets through the gateway",
    limit=1.9,
    of="ratio",
    row="open + close through the gateway / raw websockets direct",
)


async def timed(open_and_close: Callable[[], Awaitable[None]]) -> Figures:
    taken = []
    for _ in range(SESSIONS):
        started = time.perf_counter()
        await open_and_close()
        taken.append((time.perf_counter() - started) * 1000)
    return {"milliseconds": taken}


def milliseconds(open_and_close: Callable[[], None]) -> float:
    started = time.perf_counter()
    open_and_close()
    return (time.perf_counter() - started) * 1000


async def with_websockets(url: str, token: str) -> None:
    """As the library does it by itself, but never through a proxy."""
    async with connect(url, additional_headers={"Authorization": f"Token {token}"}, proxy=None) as session:
        await session.recv()
        await session.send(SETTINGS)
        await session.recv()


async def with_websockets_plain(url: str) -> None:
    headers = {"Authorization": f"Token {KEY}"}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as session:
        await session.recv()
        await session.send(SETTINGS)
        await session.recv()


async def with_fixture(agent: VoiceAgent) -> None:
    async with agent.connect():
        pass


async def with_aiohttp(url: str) -> Figures:
    import aiohttp

    async with aiohttp.ClientSession(headers={"Authorization": f"Token {KEY}"}) as client:

        async def open_and_close() -> None:
            async with client.ws_connect(url) as session:
                await session.receive()
                await session.send_str(SETTINGS)
                await session.receive()

        return await timed(open_and_close)
