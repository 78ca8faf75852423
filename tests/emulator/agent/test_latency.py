"""Latencies: LatencyReport after each turn, AgentStartedSpeaking with `experimental`, AgentThinking before a call."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_client import ORDER, SPEECH, asked, session, speak, thinking

TYPED = {"type", "ttt_token_latency", "ttt_text_latency", "tts_latency", "total_latency"}


class Clock:
    """Moves a second at every look."""

    seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def test_stages_add_up() -> None:
    watch = Stopwatch(Clock(), spoken=True)
    for reached in (watch.transcribed, watch.function_called, watch.function_answered, watch.text_ready):
        reached()
    watch.audio_ready()
    assert watch.report() == {
        "stt_latency": 1,
        "ttt_token_latency": 1,
        "ttt_tool_latency": 1,
        "ttt_text_latency": 1,
        "tts_latency": 1,
        "total_latency": 5,
    }
    assert watch.started_speaking() == {"total_latency": 5, "tts_latency": 1, "ttt_latency": 1}


@pytest.mark.asyncio
@pytest.mark.usefixtures("brief")
async def test_each_turn_has_a_report_and_the_greeting_has_none(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "Hi"}) as client:
        await client.until("AgentAudioDone")
        await client.send("InjectUserMessage", content="hello")
        await client.until("AgentAudioDone")
        report = await client.next()
        assert client.types().count("LatencyReport") == 1
        assert report.keys() == TYPED
        assert all(0 <= report[name] < 10 for name in TYPED - {"type"})


@pytest.mark.asyncio
@pytest.mark.usefixtures("brief")
async def test_report_has_the_stages_of_its_turn(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        call = await asked(client)
        await client.send("FunctionCallResponse", id=call["id"], name=call["name"], content="x")
        assert (await client.until("LatencyReport")).keys() == TYPED | {"ttt_tool_latency"}
        await speak(client, SPEECH)
        assert (await client.until("LatencyReport")).keys() == TYPED | {"stt_latency"}


@pytest.mark.asyncio
@pytest.mark.usefixtures("brief")
async def test_call_is_thought_of_first(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        await asked(client)
        thought, _ = client.seen[-2:]
        assert thought["type"] == "AgentThinking"
        assert "get_order_status" in thought["content"]


@pytest.mark.asyncio
@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("experimental", [True, False, None])
async def test_start_of_speech_is_reported_with_experimental(emulator: Emulator, experimental: Any) -> None:
    async with session(emulator, agent={"greeting": "Hi"}, experimental=experimental) as client:
        await client.until("AgentAudioDone")
        started = [each for each in client.said() if each["type"] == "AgentStartedSpeaking"]
        assert len(started) == (experimental is True)
        if started:
            assert client.types()[3:5] == ["AgentStartedSpeaking", "audio"]
            assert started[0].keys() == {"type", "total_latency", "tts_latency", "ttt_latency"}
