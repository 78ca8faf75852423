"""Latencies of a turn: the stages, and when each is reported."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.server import Emulator
from tests.emulator.conftest import behaving
from tests.support.emulator_client import ORDER, SILENCE, SPEECH, Client, asked, session, speak, thinking

THINKING = ["ttt_token_latency", "ttt_text_latency"]
SPEAKING = ["tts_latency", "total_latency"]


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


def reported(client: Client) -> list[str]:
    """The fields of the reports, in order; each report has one or, if it is whole, all."""
    reports = (each for each in client.said() if each["type"] == "LatencyReport")
    return [name for report in reports for name in report if name != "type"]


@pytest.mark.asyncio
@pytest.mark.usefixtures("brief")
async def test_each_turn_has_reports_and_the_greeting_has_none(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "Hi"}) as client:
        await client.until("AgentAudioDone")
        assert reported(client) == []
        for n in (1, 2):
            await client.send("InjectUserMessage", content="hello")
            await client.until("AgentAudioDone")
            assert reported(client) == n * (THINKING + SPEAKING)


@pytest.mark.asyncio
@pytest.mark.usefixtures("brief")
async def test_thinking_is_reported_before_the_first_sentence_and_speaking_after_its_history(
    emulator: Emulator,
) -> None:
    async with session(emulator, flags={}, agent={}) as client:
        await client.send("InjectUserMessage", content="One. Two.")
        await client.until("AgentAudioDone")
        reports = ["LatencyReport"] * 2
        said = ["ConversationText", "History"]
        types = [each for each in client.types()[2:] if each != "audio"]
        assert types == [*said, *reports, *said, *reports, *said, "AgentAudioDone"]
        assert reported(client) == THINKING + SPEAKING


@pytest.mark.asyncio
@pytest.mark.usefixtures("brief")
async def test_a_call_adds_its_stage(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        call = await asked(client)
        assert reported(client) == []
        await client.send("FunctionCallResponse", id=call["id"], name=call["name"], content="x")
        await client.until("AgentAudioDone")
        assert reported(client) == [*THINKING, "ttt_tool_latency", *SPEAKING]


@pytest.mark.asyncio
async def test_a_whole_report_comes_after_the_reply_with_all_stages() -> None:
    async with (
        Emulator(behavior=behaving(latency_reports="whole")) as emulator,
        session(emulator, agent=thinking(ORDER)) as client,
    ):
        call = await asked(client)
        await client.send("FunctionCallResponse", id=call["id"], name=call["name"], content="x")
        await client.until("AgentAudioDone")
        whole = await client.next()
        assert list(whole) == ["type", *THINKING, "ttt_tool_latency", *SPEAKING]
        assert all(0 <= whole[name] < 10 for name in whole if name != "type")
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        assert list(await client.next()) == ["type", "stt_latency", *THINKING, *SPEAKING]


@pytest.mark.asyncio
@pytest.mark.parametrize("sends", [True, False])
async def test_start_of_speech_is_reported_where_a_switch_says_so(sends: bool) -> None:
    async with (
        Emulator(behavior=behaving(agent_started_speaking=sends)) as emulator,
        session(emulator, agent={"greeting": "Hi"}, experimental=True) as client,
    ):
        await client.until("AgentAudioDone")
        started: list[dict[str, Any]] = [each for each in client.said() if each["type"] == "AgentStartedSpeaking"]
        assert len(started) == sends
        if sends:
            assert client.types()[3:5] == ["AgentStartedSpeaking", "audio"]
            assert started[0].keys() == {"type", "total_latency", "tts_latency", "ttt_latency"}


@pytest.mark.asyncio
@pytest.mark.parametrize("sends", [True, False])
async def test_a_call_is_thought_of_first_where_a_switch_says_so(sends: bool) -> None:
    async with (
        Emulator(behavior=behaving(agent_thinking=sends)) as emulator,
        session(emulator, agent=thinking(ORDER)) as client,
    ):
        await asked(client)
        assert client.types()[-2:] == (
            ["AgentThinking", "FunctionCallRequest"] if sends else ["ConversationText", "FunctionCallRequest"]
        )
        if sends:
            assert "get_order_status" in client.seen[-2]["content"]
