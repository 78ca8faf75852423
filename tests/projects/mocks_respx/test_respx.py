"""Transcription and temporary tokens by httpx, mocked with respx."""

from __future__ import annotations

import asyncio
import os
from unittest import mock

import httpx
import pytest
import respx
from websockets.asyncio.client import ClientConnection, connect

KEY = os.environ["DEEPGRAM_API_KEY"]
LISTEN = "https://api.deepgram.com/v1/listen"
GRANT = "https://api.deepgram.com/v1/auth/grant"
AGENT = "wss://agent.deepgram.com/v1/agent/converse"
AUTHORIZATION = {"Authorization": f"Token {KEY}"}


@respx.mock  # type: ignore[untyped-decorator, unused-ignore]
def test_a_file_is_transcribed() -> None:
    route = respx.post(LISTEN, params={"model": "nova-3"}).respond(json={"results": {}})
    assert httpx.post(LISTEN, params={"model": "nova-3"}, headers=AUTHORIZATION, content=b"RIFF").json() == {
        "results": {}
    }
    assert route.calls.last.request.headers["Authorization"] == f"Token {KEY}"
    assert str(route.calls.last.request.url) == f"{LISTEN}?model=nova-3"


def test_a_temporary_token_is_minted(respx_mock: respx.MockRouter) -> None:
    respx_mock.post(GRANT).mock(return_value=httpx.Response(200, json={"access_token": "a", "expires_in": 30}))

    async def main() -> httpx.Response:
        async with httpx.AsyncClient(headers=AUTHORIZATION) as client:
            return await client.post(GRANT)

    assert asyncio.run(main()).json()["access_token"] == "a"


@pytest.mark.parametrize("using", ["httpx", "httpcore"])
def test_a_router_is_used(using: str) -> None:
    with respx.mock(base_url="https://api.deepgram.com", using=using) as router:
        router.post("/v1/auth/grant").respond(401)
        assert httpx.post(GRANT, headers=AUTHORIZATION).status_code == 401


def test_a_transport_is_mocked() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"host": request.url.host}))
    with httpx.Client(transport=transport) as client:
        assert client.post(GRANT, headers=AUTHORIZATION).json() == {"host": "api.deepgram.com"}


def test_the_agent_is_asked() -> None:
    async def main() -> str:
        async with connect(AGENT, additional_headers=AUTHORIZATION) as connection:
            return str(await connection.recv())

    answering = mock.AsyncMock()
    answering.recv.return_value = '{"type":"Welcome"}'
    with (
        mock.patch.object(connect, "__aenter__", autospec=True, return_value=answering) as enter,
        mock.patch.object(connect, "__aexit__", autospec=True),
    ):
        assert asyncio.run(main()) == '{"type":"Welcome"}'
    assert enter.call_args.args[0].uri == AGENT


def test_the_handshake_with_the_agent_is_mocked() -> None:
    with mock.patch.object(ClientConnection, "handshake"):
        assert connect(AGENT, additional_headers=AUTHORIZATION).uri == AGENT
