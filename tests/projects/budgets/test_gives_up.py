import asyncio
import time
from pathlib import Path

import pytest
import websockets

from pytest_dgbudget import Endpoint, VoiceAgent

HELD = Path("held")

pytestmark = pytest.mark.dg_budget("4s")


async def connect(endpoint: Endpoint, open_timeout: float) -> websockets.ClientConnection:
    return await websockets.connect(
        endpoint.agent_url,
        proxy=None,
        open_timeout=open_timeout,
        additional_headers={"Authorization": f"Token {endpoint.api_key}"},
    )


def until_held() -> None:
    while not HELD.exists():
        time.sleep(0.01)


@pytest.mark.asyncio
async def test_holds(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect():
        HELD.touch()  # noqa: ASYNC240 - at once
        await asyncio.sleep(2.5)


@pytest.mark.asyncio
async def test_gives_up(voice_agent: VoiceAgent) -> None:
    until_held()
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):  # two until Python 3.11
        await connect(voice_agent.endpoint, 0.5)
    assert voice_agent.usage.sessions == 0
    await asyncio.sleep(3)
    raise AssertionError("so that its sections are shown")


@pytest.mark.asyncio
async def test_comes_next(voice_agent: VoiceAgent) -> None:
    until_held()
    await asyncio.sleep(0.2)
    async with voice_agent.connect():
        pass
