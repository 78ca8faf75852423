"""Clients that connect again as soon as they were cut or refused, for as long as their test runs."""

import asyncio
import contextlib
import time

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from pytest_dgbudget import VoiceAgent

CLIENTS, SECONDS = 40, 1.5


async def connect_again_and_again(voice_agent: VoiceAgent, until: float) -> None:
    endpoint = voice_agent.endpoint
    headers = {"Authorization": f"Token {endpoint.api_key}"}
    while time.monotonic() < until:
        with contextlib.suppress(OSError, EOFError, WebSocketException):
            async with connect(endpoint.agent_url, additional_headers=headers, proxy=None) as session:
                async for _ in session:
                    pass


async def storm(voice_agent: VoiceAgent) -> None:
    until = time.monotonic() + SECONDS
    await asyncio.gather(*(connect_again_and_again(voice_agent, until) for _ in range(CLIENTS)))


def test_reconnects(voice_agent: VoiceAgent) -> None:
    asyncio.run(storm(voice_agent))
