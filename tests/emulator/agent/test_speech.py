"""What the user says aloud: turns, which end by audio that arrives, and barge-in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytest_dgbudget.emulator.server import Emulator
from tests.emulator.conftest import behaving
from tests.support.emulator_client import SILENCE, SPEECH, session, speak

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]

ORDER = {"think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "functions": [{"name": "order"}]}}


async def test_spoken_turn_is_answered(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await speak(client, SILENCE + SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        types = [each for each in client.types() if each != "audio"]
        reports = ["LatencyReport"] * 2
        turn = ["UserStartedSpeaking", "ConversationText", *reports, "ConversationText", *reports, "AgentAudioDone"]
        assert types[2:] == turn
        user = next(each for each in client.seen if isinstance(each, dict) and each.get("role") == "user")
        assert user["content"] in {"(speech, 0.9 s)", "(speech, 1.0 s)"}


async def test_a_turn_goes_on_until_silence_arrives(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await speak(client, SPEECH)
        await client.until("UserStartedSpeaking")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.connection.recv(), 1.2)  # more than twice the silence that ends a turn
        await client.send("KeepAlive")
        await client.send("UpdatePrompt", prompt="x")
        assert (await client.next())["type"] == "PromptUpdated"
        await speak(client, SILENCE)
        assert (await client.until("ConversationText"))["role"] == "user"
        await client.until("AgentAudioDone")


async def test_a_timer_ends_the_turn_where_a_switch_says_so() -> None:
    async with Emulator(behavior=behaving(turn_end="timer")) as emulator, session(emulator, agent={}) as client:
        await speak(client, SPEECH)
        await client.until("UserStartedSpeaking")
        assert (await client.until("ConversationText"))["role"] == "user"
        await client.until("AgentAudioDone")


async def test_silence_has_no_answer(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await speak(client, SILENCE * 5)
        await client.send("UpdatePrompt", prompt="x")
        await client.until("PromptUpdated")
        assert client.types() == ["Welcome", "SettingsApplied", "PromptUpdated"]


async def test_barge_in_stops_the_agent(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "x" * 100}) as client:
        await client.until("ConversationText")
        await client.send("InjectAgentMessage", message="never said", behavior="queue")
        await speak(client, SPEECH + SILENCE)
        await client.until("UserStartedSpeaking")
        at = len(client.seen)
        assert (await client.until("ConversationText"))["role"] == "user"
        assert client.types()[at:] == ["AgentAudioDone", "ConversationText"]
        await client.until("AgentAudioDone")
        assert client.types().count("AgentAudioDone") == 2
        assert not any("never said" in str(each) for each in client.seen)


async def test_barge_in_cancels_open_calls_and_drops_late_responses(emulator: Emulator) -> None:
    async with session(emulator, agent=ORDER) as client:
        await client.send("InjectUserMessage", content="my order")
        (call,) = (await client.until("FunctionCallRequest"))["functions"]
        await speak(client, SPEECH)
        cancelled = await client.until("FunctionCallCancelled")
        assert cancelled["functions"] == [{"id": call["id"], "name": "order"}]
        await client.send("FunctionCallResponse", id=call["id"], name="order", content="too late")
        await client.send("FunctionCallResponse", name="order", content="too late")
        await speak(client, SILENCE)
        await client.until("AgentAudioDone")
        assert "too late" not in str(client.seen)


@pytest.mark.parametrize("behavior", ["default", "queue"])
async def test_agent_message_is_refused_while_the_user_speaks(emulator: Emulator, behavior: str) -> None:
    async with session(emulator, agent={}) as client:
        await speak(client, SPEECH)
        await client.send("InjectAgentMessage", message="x", behavior=behavior)
        assert "user" in (await client.until("InjectionRefused"))["message"]
        assert (await client.next())["code"] == "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH"


async def test_interrupt_speaks_over_the_user_who_then_interrupts_it(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await speak(client, SPEECH)
        await client.until("UserStartedSpeaking")
        await client.send("InjectAgentMessage", message="x" * 100, behavior="interrupt")
        assert (await client.until("ConversationText"))["content"] == "x" * 100
        await speak(client, SPEECH)
        await client.until("UserStartedSpeaking")


async def test_typed_turn_waits_for_the_user_to_end(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await speak(client, SPEECH)
        await client.send("InjectUserMessage", content="typed")
        await client.until("UserStartedSpeaking")
        await speak(client, SILENCE)
        roles: list[Any] = [(await client.until("ConversationText"))["content"] for _ in range(4)]
        assert roles[0] == "typed"
        assert roles[2].startswith("(speech")


async def test_force_end_turn_ends_it_with_flux(emulator: Emulator) -> None:
    listen = {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}}
    async with session(emulator, agent={"listen": listen}) as client:
        await speak(client, SPEECH)
        await client.until("UserStartedSpeaking")
        await client.send("ForceEndTurn")
        assert (await client.until("ConversationText"))["role"] == "user"
        assert "Warning" not in client.types()


PATIENT = {"type": "deepgram", "version": "v2", "model": "flux-general-en", "eot_threshold": 0.9}
WITH_A_PAUSE = SPEECH + SILENCE + SPEECH + SILENCE * 2  # of 600 ms


async def test_higher_threshold_waits_for_more_silence(emulator: Emulator) -> None:
    async with session(emulator, agent={"listen": {"provider": PATIENT}}) as client:
        await speak(client, WITH_A_PAUSE)
        assert (await client.until("ConversationText"))["content"] in {"(speech, 2.5 s)", "(speech, 2.6 s)"}


async def test_update_listen_changes_when_a_turn_ends(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.send("UpdateListen", listen={"provider": PATIENT})
        await client.until("ListenUpdated")
        await speak(client, WITH_A_PAUSE)
        assert (await client.until("ConversationText"))["content"] in {"(speech, 2.5 s)", "(speech, 2.6 s)"}


@pytest.mark.parametrize(("hints", "languages"), [(["nl", "en"], ["nl", "en"]), ([], ["en"])])
async def test_multilingual_model_reports_languages_of_the_user(
    emulator: Emulator, hints: list[str], languages: list[str]
) -> None:
    provider = {"type": "deepgram", "version": "v2", "model": "flux-general-multi", "language_hints": hints}
    async with session(emulator, agent={"listen": {"provider": provider}}) as client:
        await client.send("InjectUserMessage", content="hallo")
        user, assistant = [await client.until("ConversationText") for _ in range(2)]
        assert (user["languages_hinted"], user["languages"]) == (hints, languages)
        assert "languages" not in assistant
