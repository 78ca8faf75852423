"""Which clients are let in, and how the others are refused."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_client import refusal

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("scheme", ["Token", "token"])
async def test_authorization_header(emulator: Emulator, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {emulator.api_key}"}
    async with connect(emulator.agent_url + "?x=1", additional_headers=headers, proxy=None) as client:
        welcome = json.loads(await client.recv())
        assert client.response is not None
        assert welcome == {"type": "Welcome", "request_id": client.response.headers["dg-request-id"]}


@pytest.mark.parametrize("before", [[], ["x-deepgram-session-id", "abc"]])
async def test_subprotocol(emulator: Emulator, before: list[str]) -> None:
    offered = [Subprotocol(name) for name in [*before, "token", emulator.api_key]]
    async with connect(emulator.agent_url, subprotocols=offered, proxy=None) as client:
        assert client.subprotocol == "token"


async def test_other_subprotocols_with_a_header_get_the_first(emulator: Emulator) -> None:
    headers = {"Authorization": f"Token {emulator.api_key}"}
    offered = [Subprotocol(emulator.api_key), Subprotocol("chat")]
    async with connect(emulator.agent_url, additional_headers=headers, subprotocols=offered, proxy=None) as client:
        assert client.subprotocol == "chat"


async def test_no_compression(emulator: Emulator) -> None:
    headers = {"Authorization": f"Token {emulator.api_key}"}
    async with connect(emulator.agent_url, additional_headers=headers, proxy=None, compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


async def test_missing_key_is_401(emulator: Emulator) -> None:
    response, body = await refusal(emulator.agent_url)
    assert (response.status_code, body["err_code"]) == (401, "INVALID_AUTH")
    assert body["err_msg"] == response.headers["dg-error"] == "Invalid credentials."
    assert body["emulator"].startswith("Send Authorization: Token KEY")


async def test_a_refusal_of_several_lines_is_one_in_its_header(emulator: Emulator) -> None:
    headers = {"Authorization": f"Token {emulator.api_key}", "x-dgbudget-scenario": "a%0D%0Ab"}
    response, body = await refusal(emulator.agent_url, additional_headers=headers)
    assert (response.status_code, body["err_code"]) == (422, "EMULATED_BAD_SCENARIO")
    assert response.headers["dg-error"] == " ".join(body["err_msg"].split())


async def test_wrong_key_of_ours_is_401(emulator: Emulator) -> None:
    _, body = await refusal(emulator.agent_url, additional_headers={"Authorization": "Token dgemu_wrong"})
    assert body["err_msg"] == "Invalid credentials."


@pytest.mark.parametrize(
    "options",
    [
        {"additional_headers": {"Authorization": "Token 0123456789secret"}},
        {"subprotocols": ["token", "0123456789secret"]},
    ],
)
async def test_a_foreign_key_is_refused_with_a_hint_and_never_echoed(emulator: Emulator, options: Any) -> None:
    response, body = await refusal(emulator.agent_url, **options)
    assert response.status_code == 401
    assert body["err_msg"] == response.headers["dg-error"] == "Invalid credentials."
    assert "emulator" in body["emulator"]
    assert "secret" not in f"{response.headers} {body}"


@pytest.mark.parametrize("path", ["/", "/agent", "/v1/agent/converse/", "/v1/listen"])
async def test_other_path_is_404(emulator: Emulator, path: str) -> None:
    headers = {"Authorization": f"Token {emulator.api_key}"}
    url = emulator.agent_url.replace("/v1/agent/converse", path)
    response, body = await refusal(url, additional_headers=headers)
    assert (response.status_code, body["err_code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01",
        b"POST /v1/agent/converse HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 999,
    ],
)
async def test_garbage_leaves_no_trace(
    emulator: Emulator, junk: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    address = urlsplit(emulator.agent_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(junk)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


async def test_of_a_header_that_comes_twice_the_first_counts(emulator: Emulator) -> None:
    headers = [("Authorization", f"Token {emulator.api_key}"), ("x-dgbudget-grant", "a"), ("x-dgbudget-grant", "b")]
    async with connect(emulator.agent_url, additional_headers=headers, proxy=None):
        assert [grant.name for grant in emulator._grants._grants.values() if grant.sessions] == ["a"]


async def test_nothing_waits_for_the_acknowledgement_of_what_was_sent_before_it(emulator: Emulator) -> None:
    """Nagle's algorithm holds frames back until the client sends something."""
    headers = {"Authorization": f"Token {emulator.api_key}"}
    async with connect(emulator.agent_url, additional_headers=headers, proxy=None):
        (connection,) = emulator.sessions
        ours = connection.transport.get_extra_info("socket")
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
