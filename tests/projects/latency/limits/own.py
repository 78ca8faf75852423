"""The scripts of ``dg_latency``, spoken by ``voice_agent``'s own client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from pytest_dgbudget import AsyncSession, VoiceAgent
from tests.support.limit_scenes import LIMIT_SCRIPTS
from tests.support.timed_scenes import Script
from tests.support.timed_vendor import OVER, SESSION

Held = Callable[[str], AbstractAsyncContextManager[None]]


@pytest.fixture
def held(request: pytest.FixtureRequest, voice_agent: VoiceAgent) -> Held:
    """Holds the session of a script, and closes it at the end of ``with``."""

    @asynccontextmanager
    async def held(name: str) -> AsyncIterator[None]:
        script = LIMIT_SCRIPTS[name]
        headers = {SESSION: f"{request.node.name}/{name}"}
        async with voice_agent.connect(settings=script.settings, headers=headers) as session:
            for said in script.says:
                await say(session, said, script)
            await session.expect(OVER)
            yield

    return held


async def say(session: AsyncSession, said: str | bytes, script: Script) -> None:
    if isinstance(said, bytes):
        await (
            session.send(said) if script.unpaced or script.encoding == "opus" else session.send_audio(said, trailing=0)
        )
    elif said == "until audio":
        await session.wait_until_speaking()
    elif said.startswith("until "):
        await session.expect(said.removeprefix("until "))
    else:
        await session.send({"type": "InjectUserMessage", "content": said})
