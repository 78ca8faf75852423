"""One port serves the agent and the management API; another one, on request, serves the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import Line, Reply, line, request
from tests.support.emulator_client import Client, refusal, session

pytestmark = pytest.mark.asyncio


async def asked_at(url: str, emulator: Emulator, path: str, **options: Any) -> Reply:
    """The answer of the port of this URL."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request(emulator, path, **options))
    try:
        return await Line(reader, writer).reply()
    finally:
        writer.transport.abort()


async def test_the_agents_port_grants_tokens(emulator: Emulator) -> None:
    reply = await asked_at(emulator.agent_url, emulator, "/v1/auth/grant", method="POST")
    assert reply.status == 200
    headers = {"Authorization": f"Bearer {reply.json['access_token']}"}
    async with connect(emulator.agent_url, additional_headers=headers, proxy=None) as connection:
        assert json.loads(await connection.recv())["type"] == "Welcome"


async def test_agent_and_api_have_one_address_unless_the_api_gets_one_more(emulator: Emulator) -> None:
    assert urlsplit(emulator.agent_url).netloc == urlsplit(emulator.api_url).netloc
    async with Emulator(api_port=0) as two:
        assert urlsplit(two.agent_url).port != urlsplit(two.api_url).port
        for url in (two.agent_url, two.api_url):
            assert (await asked_at(url, two, "/v1/projects")).status == 200
            address = f"ws://{urlsplit(url).netloc}{urlsplit(two.agent_url).path}"
            headers = {"Authorization": f"Token {two.api_key}"}
            async with connect(address, additional_headers=headers, proxy=None) as connection:
                assert json.loads(await connection.recv())["type"] == "Welcome"
        assert len({(await asked_at(url, two, "/v1/projects")).body for url in (two.agent_url, two.api_url)}) == 1


async def test_an_unknown_path_is_answered_in_the_vendors_form_to_both_kinds_of_clients(emulator: Emulator) -> None:
    assert (await asked_at(emulator.agent_url, emulator, "/nowhere")).refusal() == (404, "NOT_FOUND")
    headers = {"Authorization": f"Token {emulator.api_key}"}
    url = emulator.agent_url.replace("/v1/agent/converse", "/nowhere")
    response, body = await refusal(url, additional_headers=headers)
    assert (response.status_code, body["err_code"]) == (404, "NOT_FOUND")


async def test_the_agents_path_without_a_handshake_says_what_is_missing(emulator: Emulator) -> None:
    reply = await asked_at(emulator.agent_url, emulator, "/v1/agent/converse")
    assert reply.refusal() == (400, "Bad Request")
    assert "WebSocket handshake" in reply.json["err_msg"]


@pytest.mark.parametrize("upgrade", ["Upgrade: websocket", "upgrade:WEBSOCKET", "UPGRADE:  WebSocket  "])
async def test_a_handshake_is_known_however_it_is_written_and_cut(emulator: Emulator, upgrade: str) -> None:
    head = (
        f"GET /v1/agent/converse HTTP/1.1\r\nHost: x\r\n{upgrade}\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Authorization: Token {emulator.api_key}\r\n\r\n"
    ).encode()
    async with line(emulator) as raw:
        for at in range(0, len(head), 7):
            raw.writer.write(head[at : at + 7])
            await asyncio.sleep(0)
        assert (await raw.reader.readline()).startswith(b"HTTP/1.1 101 ")


async def test_an_upgrade_in_a_body_is_no_handshake(emulator: Emulator) -> None:
    body = b'{"x": 1}\r\nUpgrade: websocket\r\n'
    reply = await asked_at(emulator.agent_url, emulator, "/v1/listen", method="POST", body=body)
    assert reply.status == 501


async def test_sessions_and_requests_share_a_port_at_the_same_time(emulator: Emulator) -> None:
    async def talk(client: Client) -> None:
        await client.send("UpdatePrompt", prompt="x")
        await client.until("PromptUpdated")

    async with session(emulator, agent={}) as client:
        for _ in range(20):
            _, reply = await asyncio.gather(talk(client), asked_at(emulator.agent_url, emulator, "/v1/projects"))
            assert reply.status == 200
