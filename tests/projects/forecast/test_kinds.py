"""Sessions of each kind, whose forecast is held against what they take at the vendor's pace; several at once."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from pytest_dgbudget import VoiceAgent

SESSIONS = int(os.environ.get("SESSIONS", "4"))
AT_ONCE = int(os.environ.get("AT_ONCE", "4"))  # of those that don't stream
GREETING = "Hello there. This is the shop. We are open today. How can I help you? Please tell me."
AUDIO = {
    "input": {"encoding": "linear16", "sample_rate": 16000},
    "output": {"encoding": "linear16", "sample_rate": 16000},
}
SPEECH = b"".join(((-1) ** (n // 40) * 9000).to_bytes(2, "little", signed=True) for n in range(24000))  # 1.5 s
FRAME = 640  # bytes: 20 ms

Hold = Callable[[VoiceAgent], Awaitable[None]]


def settings(*, greeting: str = "", functions: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    think = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "functions": list(functions)}
    agent = {"think": think, **({"greeting": greeting} if greeting else {})}
    return {"type": "Settings", "audio": AUDIO, "agent": agent}


async def text_turns(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(settings()) as session:
        for text in ("Are you open? I come by bus.", "And tomorrow?"):
            await session.say(text)


async def wav_turns(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(settings()) as session:
        for _ in range(2):
            await session.send_audio(SPEECH)
            await session.expect("AgentAudioDone", timeout="30s")


async def function(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(settings(functions=({"name": "get_order"},))) as session:

        @session.on_function("get_order")
        async def get_order() -> str:
            await asyncio.sleep(0.5)
            return "on its way"

        await session.say("Where is my order?")


@pytest.mark.dg_scenario("waits.toml")
async def waits(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(settings()) as session:
        await session.say("go on")


async def greeting(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(settings(greeting=GREETING)) as session:
        await session.expect("AgentAudioDone", timeout="30s")


async def streaming(voice_agent: VoiceAgent) -> None:
    """A client that sends audio throughout, in real time, whatever the agent does; it leaves after two answers."""
    endpoint = voice_agent.endpoint
    headers = {"Authorization": f"Token {endpoint.api_key}"}
    async with connect(endpoint.agent_url, additional_headers=headers, proxy=None) as socket:
        await socket.send(json.dumps(settings()))
        answers = asyncio.ensure_future(_answers(socket, 2))
        while not answers.done():
            for at in range(0, len(SPEECH), FRAME):
                await socket.send(SPEECH[at : at + FRAME])
                await asyncio.sleep(0.02)
            for _ in range(100):
                await socket.send(bytes(FRAME))
                await asyncio.sleep(0.02)


async def _answers(socket: Any, wanted: int) -> None:
    count = 0
    async for message in socket:
        count += isinstance(message, str) and json.loads(message)["type"] == "AgentAudioDone"
        if count == wanted:
            return


KINDS: dict[str, Hold] = {hold.__name__: hold for hold in (text_turns, wav_turns, function, waits, greeting, streaming)}


@pytest.mark.asyncio
@pytest.mark.dg_budget("off")
@pytest.mark.parametrize(
    "kind", [pytest.param(name, marks=getattr(hold, "pytestmark", [])) for name, hold in KINDS.items()]
)
async def test_sessions(voice_agent: VoiceAgent, kind: str) -> None:
    limit = asyncio.Semaphore(SESSIONS if kind == "streaming" else AT_ONCE)

    async def hold() -> None:
        async with limit:
            await KINDS[kind](voice_agent)

    await asyncio.gather(*(hold() for _ in range(SESSIONS)))
