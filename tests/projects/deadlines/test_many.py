import asyncio

import pytest

from pytest_dgbudget import AsyncSession, VoiceAgent


@pytest.mark.asyncio
@pytest.mark.dg_budget("10s")
async def test_ten(voice_agent: VoiceAgent) -> None:
    sessions: list[AsyncSession] = await asyncio.gather(*(voice_agent.connect() for _ in range(10)))
    await asyncio.sleep(2)
    assert len(sessions) == 10
