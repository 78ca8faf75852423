"""Async tests with pytest-asyncio's marker."""

import asyncio

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.asyncio
async def test_async(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(headers={"x-deepgram-scene": "calls"}) as session:

        @session.on_function("lookup")
        async def lookup(order: str) -> str:
            await asyncio.sleep(0)
            return order

        assert (await session.say('lookup {"order": "A-17"}')).reply == "the answer is A-17"


@pytest.mark.asyncio
async def test_async_again(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        assert (await session.say("one")).reply == "about one"
