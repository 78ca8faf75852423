"""A target gets its own key and what a client sent for it; a client gets what the target said, without the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request as Asked
from websockets.http11 import Response

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Request, RequestReader
from pytest_dgbudget.gateway.run_keys import RunKey
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets.emulator import EmulatorProcess, EmulatorTarget
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.gateway.targets.target import Target
from pytest_dgbudget.gateway.upstream import DialFailed, DialLost
from pytest_dgbudget.model import Attempt
from pytest_dgbudget.protocol.codes import GRANT_HEADER, SCENARIO_HEADER
from tests.support.gateway import asked

pytestmark = pytest.mark.asyncio

KEY = "the-real-key"
ATTEMPT = Attempt(id="a1", nodeid="test_it.py::test_it", worker="", number=1, target=None, budget_ms=None, left_ms=None)
AGENT = DeepgramAgent()


def request_with(*lines: str) -> Request:
    head = "".join(f"{line}\r\n" for line in ("GET /?a=b HTTP/1.1", "Host: 127.0.0.1:1", *lines, ""))
    request = RequestReader().feed(head.encode())
    assert request is not None
    return request


class Answering:
    """What a dial asks, and the answer: a refusal, or a 101 with a header that repeats the credential."""

    def __init__(self, refusal: Response | None = None) -> None:
        self.refusal = refusal
        self.asked: list[Asked] = []
        self.url = ""

    async def talk(self, connection: ServerConnection) -> None:
        await connection.wait_closed()

    def process_request(self, connection: ServerConnection, request: Asked) -> Response | None:
        self.asked.append(request)
        return self.refusal

    def process_response(self, connection: ServerConnection, request: Asked, response: Response) -> None:
        response.headers["dg-repeats"] = request.headers["Authorization"]


@asynccontextmanager
async def answering(refusal: Response | None = None) -> AsyncIterator[Answering]:
    vendor = Answering(refusal)
    hooks = {"process_request": vendor.process_request, "process_response": vendor.process_response}
    async with serve(vendor.talk, "127.0.0.1", 0, **hooks) as server:  # type: ignore[arg-type]
        vendor.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/there"
        yield vendor


def live(url: str) -> LiveTarget:
    return LiveTarget({AGENT.name: url}, KEY, None)


def emulator(url: str) -> EmulatorTarget:
    where = {"agent_url": url, "api_url": "http://127.0.0.1:1", "api_key": KEY, "project_id": "p"}
    return EmulatorTarget(EmulatorProcess(cast(asyncio.subprocess.Process, None), where), no_other)


async def no_other() -> EmulatorTarget:
    raise AssertionError("it has not ended")


async def headers_of_dial(vendor: Answering, target: Target, request: Request, scenario: str | None = None) -> Headers:
    upstream = await target.dial(AGENT, request, (), Grant(ATTEMPT, asked(scenario=scenario)))
    upstream.transport.abort()
    return vendor.asked[-1].headers


async def test_the_vendor_gets_the_key_in_place_of_the_token_and_no_header_but_its_own() -> None:
    request = request_with("Authorization: Token dgb_x", "Cookie: a=b", "X-Deepgram-Extra: c", "x-dgbudget-y: d")
    async with answering() as vendor:
        headers = await headers_of_dial(vendor, live(vendor.url), request)
        assert vendor.asked[0].path == "/there?a=b"
    assert (headers["Authorization"], headers["x-deepgram-extra"]) == (f"Token {KEY}", "c")
    assert not {"cookie", "x-dgbudget-y", GRANT_HEADER, SCENARIO_HEADER} & {name.lower() for name in headers}


async def test_the_emulator_is_given_the_grant_and_what_to_play() -> None:
    async with answering() as vendor:
        without = await headers_of_dial(vendor, emulator(vendor.url), request_with())
        with_one = await headers_of_dial(vendor, emulator(vendor.url), request_with(), "é.toml::one")
    assert (without[GRANT_HEADER], SCENARIO_HEADER in without) == (ATTEMPT.id, False)
    assert with_one[SCENARIO_HEADER] == "%C3%A9.toml%3A%3Aone"


async def test_i9_a_101_is_passed_on_without_the_key() -> None:
    async with answering() as vendor:
        upstream = await live(vendor.url).dial(AGENT, request_with(), (), Grant(ATTEMPT, asked()))
        upstream.transport.abort()
    assert ("dg-repeats", "Token ***") in upstream.headers


async def test_i9_the_runs_own_key_is_dialled_with_and_kept_out_of_what_comes_back_like_the_given_one() -> None:
    key = RunKey(id="its-id", secret="the-runs-own-key", made_ms=0)
    async with answering() as vendor:
        upstream = await live(vendor.url).dial(AGENT, request_with(), (), Grant(ATTEMPT, asked()), key)
        upstream.transport.abort()
        assert vendor.asked[-1].headers["Authorization"] == f"Token {key.secret}"
    assert ("dg-repeats", "Token ***") in upstream.headers
    assert {KEY, key.secret} <= set(upstream.secrets.texts())
    assert key.secret not in repr(key)


async def test_i9_a_refusal_is_passed_on_without_the_key() -> None:
    refusal = Response(401, "No", Headers({"x": f"Token {KEY}", KEY: "y"}), f"{KEY} is no key".encode())
    async with answering(refusal) as vendor:
        with pytest.raises(DialFailed) as refused:
            await live(vendor.url).dial(AGENT, request_with(), (), Grant(ATTEMPT, asked()))
    assert (refused.value.status, refused.value.body) == (401, b"*" * len(KEY) + b" is no key")
    assert {("x", "Token ***"), ("***", "y")} <= set(refused.value.headers)


async def test_i9_a_lost_dial_is_explained_without_the_key() -> None:
    async with answering(Response(302, "Found", Headers({"Location": f"ws://x/{KEY}"}), b"")) as vendor:
        with pytest.raises(DialLost) as lost:
            await live(vendor.url).dial(AGENT, request_with(), (), Grant(ATTEMPT, asked()))
    assert "ws://x/***" in lost.value.reason
