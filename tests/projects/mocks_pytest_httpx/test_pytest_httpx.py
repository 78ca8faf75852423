"""Transcription and temporary tokens by httpx, mocked with pytest-httpx."""

from __future__ import annotations

import asyncio
import os
from unittest import mock

import httpx
import websockets.sync.client
from pytest_httpx import HTTPXMock

KEY = os.environ["DEEPGRAM_API_KEY"]
LISTEN = "https://api.deepgram.com/v1/listen"
GRANT = "https://api.deepgram.com/v1/auth/grant"
AGENT = "wss://agent.deepgram.com/v1/agent/converse"
AUTHORIZATION = {"Authorization": f"Token {KEY}"}


def test_a_file_is_transcribed(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(method="POST", url=f"{LISTEN}?model=nova-3", json={"results": {}})
    assert httpx.post(LISTEN, params={"model": "nova-3"}, headers=AUTHORIZATION, content=b"RIFF").json() == {
        "results": {}
    }
    request = httpx_mock.get_request()
    assert request is not None
    assert request.headers["Authorization"] == f"Token {KEY}"


def test_a_temporary_token_is_minted(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=GRANT, match_headers=AUTHORIZATION, json={"access_token": "a", "expires_in": 30})

    async def main() -> httpx.Response:
        async with httpx.AsyncClient(headers=AUTHORIZATION) as client:
            return await client.post(GRANT)

    assert asyncio.run(main()).json()["access_token"] == "a"


def test_the_agent_is_asked() -> None:
    with mock.patch("websockets.sync.client.connect") as connect:
        connect.return_value.__enter__.return_value.recv.return_value = '{"type":"Welcome"}'
        with websockets.sync.client.connect(AGENT, additional_headers=AUTHORIZATION) as connection:
            assert connection.recv() == '{"type":"Welcome"}'
    connect.assert_called_once_with(AGENT, additional_headers=AUTHORIZATION)
