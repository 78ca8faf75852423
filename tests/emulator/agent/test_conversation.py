"""The default dialogue: greeting, typed turns, function calls, injections."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pytest_dgbudget.emulator.agent.dialogue import MADE_UP
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.server import Emulator
from tests.emulator.conftest import BRIEF
from tests.support.emulator_client import ORDER, SETTINGS, Client, asked, session, thinking

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]

BYTES_PER_MS = 32  # linear16 at 16 kHz


def spoken(role: str, content: str) -> dict[str, Any]:
    return {"type": "ConversationText", "role": role, "content": content, "conversational_behavior": "default"}


def audio_of(client: Client) -> bytes:
    return b"".join(each for each in client.seen if isinstance(each, bytes))


async def test_greeting_is_said_and_spoken(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "Hi there"}) as client:
        await client.until("AgentAudioDone")
        assert client.types() == ["Welcome", "SettingsApplied", "ConversationText", "audio", "AgentAudioDone"]
        assert client.seen[2] == spoken("assistant", "Hi there")
        assert len(audio_of(client)) == 100 * BYTES_PER_MS


async def test_audio_is_sent_as_fast_as_its_timing_says(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "x" * 60}) as client:
        await client.until("ConversationText")
        start = time.monotonic()
        await client.until("AgentAudioDone")
        assert 0.4 < time.monotonic() - start < 2.0  # five frames of 120 ms, in real time, the first at once


@pytest.mark.parametrize("encoding", ["linear16", "mulaw", "alaw"])
@pytest.mark.parametrize("container", ["none", "wav"])
async def test_output_is_as_settings_say(emulator: Emulator, encoding: str, container: str) -> None:
    output = {"encoding": encoding, "sample_rate": 8000, "container": container}
    async with session(emulator, agent={"greeting": "Hi"}, audio={"output": output}) as client:
        await client.until("AgentAudioDone")
        sound, width = audio_of(client), 2 if encoding == "linear16" else 1
        assert sound.startswith(b"RIFF") == (container == "wav")
        assert len(sound) == voice.duration_ms("Hi", BRIEF.timing) * 8 * width + 44 * (container == "wav")


async def test_typed_turn_is_answered(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.send("InjectUserMessage", content="hello \ud83d\ude00 \udc00")
        await client.until("AgentAudioDone")
        user, assistant = (each for each in client.seen if not isinstance(each, bytes) and "role" in each)
        assert user == spoken("user", "hello \U0001f600 \udc00")
        assert assistant["role"] == "assistant"
        assert "hello" in assistant["content"]


async def test_turns_sent_at_once_are_answered_in_order(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "0"}) as client:
        for text in "123":
            await client.send("InjectUserMessage", content=text)
        for _ in range(4):
            await client.until("AgentAudioDone")
        said = [each["content"][-1] for each in client.seen if isinstance(each, dict) and "role" in each]
        assert said == list("0112233")
        assert client.types()[-1] == "AgentAudioDone"


async def test_history_comes_unless_it_is_off(emulator: Emulator) -> None:
    async with session(emulator, flags={}, agent=thinking(ORDER)) as client:
        call = await asked(client)
        await client.send("FunctionCallResponse", id=call["id"], name=call["name"], content="shipped")
        await client.until("AgentAudioDone")
        histories = [each for each in client.seen if isinstance(each, dict) and each["type"] == "History"]
        spoken = [each for each in client.seen if isinstance(each, dict) and each["type"] == "ConversationText"]
        assert [each.get("content") for each in histories] == [spoken[0]["content"], None, spoken[1]["content"]]
        assert histories[1]["function_calls"] == [{**call, "response": "shipped"}]


async def test_a_reply_is_said_sentence_by_sentence_and_done_once(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.send("InjectUserMessage", content="One. Two. Three.")
        await client.until("AgentAudioDone")
        said = [each["content"] for each in client.said() if each.get("role") == "assistant"]
        assert said == ["You said: One.", "Two.", "Three."]
        for text in said:
            at = client.seen.index(spoken("assistant", text))
            after = client.types()[at + 1 :]
            assert next(kind for kind in after if kind != "LatencyReport") == "audio"


async def test_function_is_called_and_its_result_spoken(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        call = await asked(client)
        assert call["name"] == "get_order_status"
        assert call["client_side"] is True
        assert json.loads(call["arguments"]) == {"order_id": "A-17"}
        await client.send("FunctionCallResponse", id=call["id"], name=call["name"], content="It is in Oslo.")
        assert "It is in Oslo." in (await client.until("ConversationText"))["content"]
        await client.until("AgentAudioDone")


async def test_response_without_id_is_taken_by_name(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        call = await asked(client)
        await client.send("FunctionCallResponse", name=call["name"], content="42")
        assert "42" in (await client.until("ConversationText"))["content"]


async def test_turns_wait_for_an_open_call(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        call = await asked(client)
        await client.send("InjectUserMessage", content="hurry")
        await client.send("InjectAgentMessage", message="One moment", behavior="queue")
        await client.until("AgentAudioDone")
        await client.send("FunctionCallResponse", id=call["id"], name=call["name"], content="42")
        await client.until("AgentAudioDone")
        await client.until("AgentAudioDone")
        said = [each["content"] for each in client.seen if isinstance(each, dict) and "role" in each]
        assert said[0] == "Where is order A-17?"
        assert said[1] == "One moment"
        assert "42" in said[2]
        assert said[3] == "hurry"


@pytest.mark.parametrize("fields", [{"id": "fc_other"}, {"id": 5}, {"name": "other"}])
async def test_response_to_no_call_is_an_error(emulator: Emulator, fields: dict[str, Any]) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        call = await asked(client)
        await client.send("FunctionCallResponse", **{"id": call["id"], "name": call["name"], "content": "x", **fields})
        assert await client.failure() == "NON_EXISTENT_FUNCTION_CALLED"


async def test_second_response_is_warned_of(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        call = await asked(client)
        for _ in range(2):
            await client.send("FunctionCallResponse", id=call["id"], name=call["name"], content="x")
        assert (await client.until("Warning"))["code"] == "FUNCTION_CALL_FAILED"
        await client.until("AgentAudioDone")


async def test_update_think_replaces_the_functions(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as client:
        await client.send("UpdateThink", think=thinking({"name": "book_table"})["think"])
        await client.until("ThinkUpdated")
        await client.send("InjectUserMessage", content="my order")
        await client.until("AgentAudioDone")
        assert (await asked(client, "a table, please"))["name"] == "book_table"


async def test_agent_message_is_spoken_when_all_is_quiet(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "Hi"}) as client:
        for behavior in (None, "default", "queue", "interrupt"):
            await client.until("AgentAudioDone")
            await client.send("InjectAgentMessage", message="Still there?", behavior=behavior)
        await client.until("AgentAudioDone")
        said = [each["content"] for each in client.seen if isinstance(each, dict) and "role" in each]
        assert said == ["Hi", *["Still there?"] * 4]


async def test_agent_message_is_refused_while_the_agent_speaks(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "Hi there" * 4}) as client:
        await client.until("ConversationText")
        await client.send("InjectAgentMessage", message="Me too")
        assert "agent" in (await client.until("InjectionRefused"))["message"]
        assert (await client.until("Warning"))["code"] == "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH"
        await client.until("AgentAudioDone")


async def test_queued_agent_message_waits(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "Hi there" * 4}) as client:
        await client.until("ConversationText")
        await client.send("InjectAgentMessage", message="Me too", behavior="queue")
        await client.until("AgentAudioDone")
        assert (await client.until("ConversationText"))["content"] == "Me too"
        await client.until("AgentAudioDone")


async def test_interrupting_agent_message_replaces_what_is_said(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "x" * 100}) as client:
        await client.until("ConversationText")
        await client.send("InjectAgentMessage", message="Stop!", behavior="interrupt")
        assert (await client.until("ConversationText"))["content"] == "Stop!"
        await client.until("AgentAudioDone")
        assert len(audio_of(client)) < 900 * BYTES_PER_MS
        assert client.types().count("AgentAudioDone") == 1


async def test_dynamic_agent_message_is_made_up(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.send("InjectAgentMessage", is_dynamic=True)
        assert (await client.until("ConversationText"))["content"] == MADE_UP
        await client.until("AgentAudioDone")


async def test_sessions_are_independent(emulator: Emulator) -> None:
    async with session(emulator, agent=thinking(ORDER)) as one, session(emulator, **SETTINGS) as other:
        await asked(one)
        await other.send("InjectUserMessage", content="order")
        await other.until("AgentAudioDone")
        assert "FunctionCallRequest" not in other.types()
        assert one.seen[0]["request_id"] != other.seen[0]["request_id"]
