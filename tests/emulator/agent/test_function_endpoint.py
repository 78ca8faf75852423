"""Functions that have an endpoint: called on loopback, never elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from pytest_dgbudget.emulator.agent import function_endpoint
from pytest_dgbudget.emulator.agent.function_endpoint import EndpointFailed, FunctionEndpoint, fetch
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_client import ORDER, SILENCE, SPEECH, Client, session, speak, thinking
from tests.support.function_server import OK, endpoint


def at(url: str, **changes: Any) -> dict[str, Any]:
    return thinking({**ORDER, "endpoint": {"url": url, **changes}})


async def ask(client: Client) -> None:
    await client.send("InjectUserMessage", content="Where is order A-17?")


pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]


async def test_endpoint_is_called_and_its_answer_reported_and_spoken(emulator: Emulator) -> None:
    async with endpoint() as (server, url):
        agent = at(url, headers={"X-Shop": "7"})
        async with session(emulator, flags={}, agent=agent) as client:
            await ask(client)
            await client.until("AgentAudioDone")
    said = client.said()
    (call,) = next(each for each in said if each["type"] == "FunctionCallRequest")["functions"]
    assert call["client_side"] is False
    answer = next(each for each in said if each["type"] == "FunctionCallResponse")
    assert answer == {"type": "FunctionCallResponse", "id": call["id"], "name": ORDER["name"], "content": "shipped"}
    assert {"type": "History", "function_calls": [{**call, "response": "shipped"}]} in said
    spoken = [each["content"] for each in said if each["type"] == "ConversationText"]
    assert "shipped" in spoken[-1]
    assert "Warning" not in client.types()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /orders?v=1 HTTP/1.1\r\n")
    assert b"x-shop: 7" in head
    assert json.loads(body) == {"order_id": "A-17"}


async def test_get_has_the_arguments_in_its_query(emulator: Emulator) -> None:
    async with endpoint() as (server, url), session(emulator, agent=at(url, method="get")) as client:
        await ask(client)
        await client.until("FunctionCallResponse")
        assert server.requests[0].startswith(b"GET /orders?v=1&order_id=A-17 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 500 Oh\r\n\r\n", b"HTTP/1.1 302 No\r\nLocation: http://127.0.0.1/\r\n\r\n", b"nonsense\r\n\r\n"],
)
async def test_endpoint_that_fails_is_warned_of_and_the_agent_goes_on(emulator: Emulator, answer: bytes) -> None:
    async with endpoint(answer) as (_, url), session(emulator, agent=at(url)) as client:
        await ask(client)
        warning = await client.until("Warning")
        assert warning["code"] == "FUNCTION_CALL_FAILED"
        assert url in warning["description"]
        await client.until("AgentAudioDone")
        assert "FunctionCallResponse" not in client.types()


async def test_interruption_ends_the_call(emulator: Emulator) -> None:
    async with endpoint() as (server, url), session(emulator, agent=at(url)) as client:
        server.gate.clear()
        await ask(client)
        await client.until("FunctionCallRequest")
        await asyncio.wait_for(server.asked.wait(), 10)
        await speak(client, SPEECH)
        await client.until("FunctionCallCancelled")
        server.gate.set()
        await asyncio.wait_for(server.left.wait(), 10)
        await speak(client, SILENCE)
        await client.until("AgentAudioDone")
        assert "shipped" not in str(client.seen)


async def test_client_can_not_answer_for_the_endpoint(emulator: Emulator) -> None:
    async with endpoint() as (server, url), session(emulator, agent=at(url)) as client:
        server.gate.clear()
        await ask(client)
        (call,) = (await client.until("FunctionCallRequest"))["functions"]
        await client.send("FunctionCallResponse", id=call["id"], name=call["name"], content="mine")
        assert await client.failure() == "NON_EXISTENT_FUNCTION_CALLED"
        server.gate.set()


async def test_endpoint_elsewhere_is_never_called(emulator: Emulator) -> None:
    async with session(emulator, agent=at("https://functions.example/orders")) as client:
        assert (await client.until("Warning"))["code"] == "NOT_EMULATED"
        await ask(client)
        await client.until("AgentAudioDone")
        assert "FunctionCallRequest" not in client.types()


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000/x", True),
        ("http://127.9.9.9", True),
        ("http://localhost:1/", True),
        ("http://[::1]:1/", True),
        ("https://127.0.0.1/", False),
        ("http://0.0.0.0:1/", False),
        ("http://10.0.0.1/", False),
        ("http://localhost.example/", False),
        ("http://127.0.0.1.example/", False),
        ("http://127.0.0.1@shop.example/", False),
        ("http://127.0.0.1:x/", False),
        ("http://[::1", False),
        ("127.0.0.1", False),
        ("", False),
    ],
)
async def test_only_plain_http_on_loopback_is_local(url: str, local: bool) -> None:
    assert FunctionEndpoint(url=url).local is local


async def test_endless_answer_is_not_read_to_its_end() -> None:
    endless = OK.replace(b"7", b"9" * 8) + b"x" * (2 * function_endpoint.MAX_ANSWER)
    async with endpoint(endless) as (_, url):
        with pytest.raises(EndpointFailed, match="more than"):
            await fetch(FunctionEndpoint(url=url), "{}")


async def test_an_answer_that_comes_with_the_interruption_is_not_reported(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def answers_all_the_same(*_: object) -> str:
        asked.set()
        with contextlib.suppress(asyncio.CancelledError):  # as wait_for before Python 3.12, when an answer is there
            await asyncio.sleep(60)
        return "shipped"

    monkeypatch.setattr(function_endpoint, "fetch", answers_all_the_same)
    async with session(emulator, agent=at("http://127.0.0.1:9/")) as client:
        await ask(client)
        await asked.wait()
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        assert "FunctionCallResponse" not in client.types()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 101 x\r\nUpgrade: x\r\n\r\n"])
async def test_an_answer_in_another_protocol_is_none(answer: bytes) -> None:
    async with endpoint(answer) as (_, url):
        method, headers = ("POST", {"Upgrade": "x"}) if b"101" in answer else ("CONNECT", {})
        with pytest.raises(EndpointFailed, match="another protocol"):
            await fetch(FunctionEndpoint(url=url, method=method, headers=headers), "{}")


@pytest.mark.parametrize("changes", [{"url": "http://127.0.0.1:9/ü"}, {"headers": {"x": "ü"}}])
async def test_what_can_not_be_sent_fails(changes: dict[str, Any]) -> None:
    async with endpoint() as (_, url):
        with pytest.raises(EndpointFailed, match="failed"):
            await fetch(FunctionEndpoint(**{"url": url, **changes}), "{}")


async def test_an_endpoint_that_refuses_connections_fails() -> None:
    async with endpoint() as (_, url):
        pass
    with pytest.raises(EndpointFailed, match="failed"):
        await fetch(FunctionEndpoint(url=url), "{}")


async def test_no_answer_in_time() -> None:
    async with endpoint() as (server, url):
        server.gate.clear()
        with pytest.raises(EndpointFailed, match=r"no answer within 0\.1 s"):
            await fetch(FunctionEndpoint(url=url), "{}", patience=0.1)
        server.gate.set()
