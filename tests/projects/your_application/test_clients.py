"""Clients in the test process."""

import os

import aiohttp
import pytest
import websocket
from websockets.asyncio.client import connect

AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
HEADERS = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}


@pytest.mark.asyncio
async def test_websockets() -> None:
    async with connect(AGENT_URL, additional_headers=HEADERS) as agent:
        assert "Welcome" in str(await agent.recv())


@pytest.mark.asyncio
async def test_aiohttp() -> None:
    async with aiohttp.ClientSession(headers=HEADERS) as client, client.ws_connect(AGENT_URL) as agent:
        assert "Welcome" in await agent.receive_str()


def test_websocket_client() -> None:
    agent = websocket.create_connection(AGENT_URL, header=HEADERS)
    assert "Welcome" in agent.recv()
    agent.close()
