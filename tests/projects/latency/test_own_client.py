"""Scripts of the tests, spoken by ``voice_agent``'s own client; what it knows of the instants is left in a file."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from pytest_dgbudget import AsyncSession, VoiceAgent
from tests.support.timed_scenes import SCRIPTS, Script
from tests.support.timed_vendor import AUDIO, OVER, SESSION, Log, log

NAMES = ("speech", "two texts", "barge-in")
FRAME_MS = 20


@pytest.mark.asyncio
async def test_own_client(voice_agent: VoiceAgent) -> None:
    logs = await asyncio.gather(*(hold(voice_agent, name, SCRIPTS[name]) for name in NAMES))
    keep(dict(zip(NAMES, logs, strict=True)))


def keep(logs: dict[str, Log]) -> None:
    Path("logs.json").write_text(json.dumps(logs), encoding="utf-8")


async def hold(voice_agent: VoiceAgent, name: str, script: Script) -> Log:
    noted = log()
    noted["texts"].append(time.monotonic())
    async with voice_agent.connect(settings=script.settings, headers={SESSION: name}) as session:
        watching = asyncio.ensure_future(watch(session, noted))
        for said, following in zip(script.says, (*script.says[1:], ""), strict=True):
            if isinstance(said, bytes):
                await stream(session, said, script, noted)
            elif not said.startswith("until "):
                await say(session, said, noted, whole=not isinstance(following, bytes))
        await session.expect(OVER)
        await watching
    return noted


async def stream(session: AsyncSession, audio: bytes, script: Script, noted: Log) -> None:
    began, frame = time.monotonic(), round(FRAME_MS * script.bytes_per_ms)
    noted["audio"] += [(min(at + frame, len(audio)), began + at / frame * 0.02) for at in range(0, len(audio), frame)]
    await session.send_audio(audio, trailing=0)


async def say(session: AsyncSession, text: str, noted: Log, *, whole: bool) -> None:
    """Inject a text, and wait for the reply unless the user speaks before it is whole."""
    noted["texts"].append(time.monotonic())
    if whole:
        assert (await session.say(text)).reply
    else:
        await session.send({"type": "InjectUserMessage", "content": text})


async def watch(session: AsyncSession, noted: Log) -> None:
    """Note when each of the vendor's messages was there, audio among them."""
    kinds: list[str] = []
    while OVER not in kinds:
        kinds = [message.type for message in session.events()]
        came = len(kinds) + len(session.audio) // len(AUDIO)
        noted["answers"] += [time.monotonic()] * (came - len(noted["answers"]))
        await asyncio.sleep(0.002)
