import pytest

from pytest_dgbudget import VoiceAgent


def test_sync(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply


@pytest.mark.asyncio
async def test_async(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        assert (await session.say("hi")).reply
