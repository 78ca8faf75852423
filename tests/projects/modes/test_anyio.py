"""Async tests of both of anyio's backends."""

import anyio.lowlevel
import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.anyio
async def test_anyio(voice_agent: VoiceAgent, anyio_backend: str) -> None:
    async with voice_agent.connect(headers={"x-deepgram-scene": "calls"}) as session:

        @session.on_function("lookup")
        async def lookup(order: str) -> str:
            await anyio.lowlevel.checkpoint()
            return order

        assert (await session.say('lookup {"order": "A-17"}')).reply == "the answer is A-17"


@pytest.mark.anyio
async def test_anyio_again(voice_agent: VoiceAgent, anyio_backend: str) -> None:
    async with voice_agent.connect() as session:
        assert (await session.say("one")).reply == "about one"
