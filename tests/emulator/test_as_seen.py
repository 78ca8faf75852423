"""What real sessions were seen to do, row by row of docs/emulator-fidelity.md, section "As seen"; rows 1 to 24."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.emulator.behavior import Limits
from pytest_dgbudget.emulator.faults.kinds import read_fault
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.vendor import SETS
from tests.emulator.conftest import BRIEF, behaving
from tests.support.emulator_client import (
    ORDER,
    SILENCE,
    SPEECH,
    Client,
    asked,
    playing,
    session,
    speak,
    thinking,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]

OPEN_AI = {"type": "open_ai", "model": "gpt-4o-mini"}
VOICE = {"type": "deepgram", "model": "aura-2-thalia-en"}
NOVA = {"type": "deepgram", "model": "nova-3"}
FLUX = {"type": "deepgram", "version": "v2", "model": "flux-general-en"}
OF_2025 = replace(BRIEF, vendor=SETS["2025"])
AGENT_ID = "7b1c2f5e-0000-4000-8000-000000000001"
WAITED = "We waited too long for a websocket message. Please ensure that you"


def listening(provider: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"listen": {"provider": {**provider, **changes}}}


async def refused(client: Client, agent: Any, **settings: Any) -> tuple[str, str]:
    """The code and the text of the Error that such Settings get."""
    await client.send("Settings", agent=agent, **settings)
    return await client.failure(), client.seen[-1]["description"]


async def until_said_by(client: Client, role: str) -> None:
    while (await client.until("ConversationText"))["role"] != role:
        pass


def of(client: Client, kind: str) -> list[dict[str, Any]]:
    return [each for each in client.said() if each["type"] == kind]


@pytest.mark.parametrize(
    ("agent", "named"),
    [
        ({"think": {"provider": OPEN_AI, "greeting": "Hi"}}, "agent.think"),
        ({"mip_opt_out": True}, "agent.mip_opt_out"),
        ({"speak": {"model": "aura-2-thalia-en"}}, "agent.speak"),
        (listening(NOVA, endpointing=300), "agent.listen.provider"),
        ({"think": {"provider": OPEN_AI, "functions": [{"name": "f", "client_side": True}]}}, "agent.think"),
        ({"speak": {"provider": {**VOICE, "voice": "x"}}}, "agent.speak"),
        ({"prompt": "Be brief."}, "agent.prompt"),
    ],
)
async def test_row_01_an_unknown_field_of_the_agent_ends_the_session(
    emulator: Emulator, agent: Any, named: str
) -> None:
    async with session(emulator) as client:
        text = f"Error parsing client message. Check the {named} field against the API spec."
        assert await refused(client, agent) == ("UNPARSABLE_CLIENT_MESSAGE", text)
    async with session(emulator, agent={}, some_field_of_the_root=1) as client:
        assert client.types()[-1] == "SettingsApplied"


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"type": "Hello"}', '{"type": "InjectUserMessage"}'])
async def test_row_02_what_can_not_be_parsed_matches_no_format(emulator: Emulator, text: str) -> None:
    async with session(emulator, agent={}) as client:
        await client.connection.send(text)
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"
        words = "Text message received from client did not match any of the formats we expect."
        assert client.seen[-1]["description"] == words


async def test_row_03_what_is_parsed_and_impossible_is_invalid() -> None:
    flux_voice = {"provider": {"type": "deepgram", "version": "v2", "model": "flux-tts-en"}}
    async with Emulator(behavior=behaving(think_models="listed")) as emulator:
        async with session(emulator) as client:
            answer = await refused(client, {"think": {"provider": {**OPEN_AI, "model": "nobody-knows-it"}}})
            assert answer == ("INVALID_SETTINGS", "Invalid agent.think settings - model not available")
        async with session(emulator) as client:
            code, _ = await refused(client, {"speak": flux_voice}, audio={"output": {"encoding": "mp3"}})
            assert code == "INVALID_SETTINGS"
        async with session(emulator) as client:
            code, _ = await refused(client, {"speak": {"provider": {**VOICE, "speed": 2}}})
            assert code == "FAILED_TO_SPEAK"


@pytest.mark.parametrize("settings", [{}, {"agent": {}}])
async def test_row_04_close_after_an_error_is_empty(emulator: Emulator, settings: Any) -> None:
    async with session(emulator, **settings) as client:
        await client.connection.send("nonsense")
        await client.failure()
        assert client.connection.protocol.close_rcvd is not None  # it is a Close, and not a lost connection
        assert (client.connection.close_code, client.connection.close_reason) == (1005, "")


async def test_row_05_close_at_the_cap_and_after_the_clients_is_1000(emulator: Emulator) -> None:
    capped = replace(BRIEF, limits=Limits(speed=7200))
    async with Emulator(behavior=capped) as short, session(short, agent={}) as client:
        assert await client.failure() == "MAXIMUM_SESSION_LENGTH_REACHED"
        assert client.connection.close_code == 1000
    async with session(emulator, agent={}) as client:
        await client.connection.close()
        received = client.connection.protocol.close_rcvd
        assert received is not None
        assert received.code == 1000


async def test_row_06_a_silent_client_is_timed_out_unless_it_keeps_alive() -> None:
    assert 10 <= Limits().silence <= 15
    limited = replace(BRIEF, limits=Limits(silence=1.0))
    async with Emulator(behavior=limited) as emulator, session(emulator, agent={}) as client:
        for _ in range(10):
            await client.send("KeepAlive")
            await asyncio.sleep(0.25)  # this is what is kept alive: 2.5 s in all
        await client.send("UpdatePrompt", prompt="x")
        await client.until("PromptUpdated")
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, f"{WAITED} send a 'Settings' message at the beginning of the session."),
        ({"agent": {}}, f"{WAITED}'re sending binary messages containing user speech."),
    ],
)
async def test_row_07_the_timeout_says_what_was_awaited(settings: Any, words: str) -> None:
    limited = replace(BRIEF, limits=Limits(silence=1))
    async with Emulator(behavior=limited) as emulator, session(emulator, **settings) as client:
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"
        assert client.seen[-1]["description"] == words


async def test_row_08_keep_alive_ends_no_turn_and_silence_does(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await speak(client, SPEECH)
        await client.until("UserStartedSpeaking")
        for _ in range(5):
            await client.send("KeepAlive")
            await asyncio.sleep(0.2)  # twice the silence that ends a turn
        await client.send("UpdatePrompt", prompt="x")
        assert (await client.next())["type"] == "PromptUpdated"
        await speak(client, SILENCE)
        assert (await client.next())["role"] == "user"


@pytest.mark.parametrize(
    ("provider", "triggers"),
    [
        (FLUX, ["manual", "model"]),
        ({**FLUX, "eot_threshold": 1.0, "eot_timeout_ms": 400}, ["manual", "timeout"]),
        (NOVA, []),
    ],
)
async def test_row_09_flux_reports_what_ended_a_turn(emulator: Emulator, provider: Any, triggers: list[str]) -> None:
    async with session(emulator, agent=listening(provider)) as client:
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        assert of(client, "EndOfTurn") == [{"type": "EndOfTurn", "trigger": each} for each in triggers]


async def test_row_10_reports_have_one_field_each_and_flux_streams_in_silence_too(emulator: Emulator) -> None:
    async with session(emulator, agent=listening(FLUX)) as client:
        await speak(client, SILENCE * 5)  # 3 s
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        names = [name for each in of(client, "LatencyReport") for name in each if name != "type"]
        assert len(names) == len(of(client, "LatencyReport"))
        assert 9 <= names.count("stt_latency") <= 15  # about four a second
        turn = ["ttt_token_latency", "ttt_text_latency", "tts_latency", "total_latency"]
        assert [name for name in names if name != "stt_latency"] == turn
    async with session(emulator, agent=listening(NOVA)) as client:
        await speak(client, SILENCE * 5)
        await client.send("UpdatePrompt", prompt="x")
        await client.until("PromptUpdated")
        assert of(client, "LatencyReport") == []
    async with Emulator(behavior=OF_2025) as older, session(older, agent=listening(FLUX)) as client:
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        assert of(client, "LatencyReport") == []


async def never_sent(emulator: Emulator, message: str) -> None:
    async with session(emulator, agent={**thinking(ORDER), "greeting": "Hi"}, experimental=True) as client:
        await client.until("AgentAudioDone")
        function = await asked(client)
        await client.send("FunctionCallResponse", id=function["id"], name=function["name"], content="x")
        await client.until("AgentAudioDone")
        assert of(client, message) == []


async def test_row_11_thinking_is_not_reported(emulator: Emulator) -> None:
    await never_sent(emulator, "AgentThinking")


async def test_row_12_the_start_of_speech_is_not_reported(emulator: Emulator) -> None:
    await never_sent(emulator, "AgentStartedSpeaking")


@pytest.mark.parametrize(("behavior", "echoes"), [(BRIEF, 1), (OF_2025, 0)])
async def test_row_13_the_clients_answer_is_echoed_since_2026(behavior: Any, echoes: int) -> None:
    async with Emulator(behavior=behavior) as emulator, session(emulator, agent=thinking(ORDER)) as client:
        function = await asked(client)
        answer = {"id": function["id"], "name": function["name"], "content": "shipped"}
        await client.send("FunctionCallResponse", **answer)
        await client.until("AgentAudioDone")
        assert of(client, "FunctionCallResponse") == [{"type": "FunctionCallResponse", **answer}] * echoes


@pytest.mark.parametrize(("behavior", "reports"), [(BRIEF, 1), (OF_2025, 0)])
async def test_row_14_an_interruption_cancels_calls_and_late_answers_are_dropped(behavior: Any, reports: int) -> None:
    async with Emulator(behavior=behavior) as emulator, session(emulator, agent=thinking(ORDER)) as client:
        function = await asked(client)
        await speak(client, SPEECH)
        await client.until("UserStartedSpeaking")
        await client.send("FunctionCallResponse", id=function["id"], name=function["name"], content="too late")
        await speak(client, SILENCE)
        await client.until("AgentAudioDone")
        cancelled = [{"id": function["id"], "name": function["name"]}]
        assert [each["functions"] for each in of(client, "FunctionCallCancelled")] == [cancelled] * reports
        assert "too late" not in str(client.seen)
        assert of(client, "Warning") == []


@pytest.mark.parametrize("audio_first", [False, True])
async def test_row_15_text_comes_first_unless_a_switch_lets_the_first_frame(audio_first: bool) -> None:
    behavior = behaving(audio_before_text=audio_first)
    async with Emulator(behavior=behavior) as emulator, session(emulator, agent={"greeting": "x" * 30}) as client:
        await client.until("AgentAudioDone")
        first = ["audio", "ConversationText", "audio"] if audio_first else ["ConversationText", "audio", "audio"]
        assert client.types()[2:5] == first


async def test_row_16_the_tail_of_an_interrupted_reply_may_still_come() -> None:
    behavior = behaving(late_frames=3, late_sentence=True)
    async with Emulator(behavior=behavior) as emulator, session(emulator, agent={}) as client:
        await client.send("InjectUserMessage", content="x" * 100 + ". Later.")
        await client.until("LatencyReport")
        while client.types()[-1] != "audio":
            await client.next()
        await speak(client, SPEECH + SILENCE)
        await client.until("UserStartedSpeaking")
        at = len(client.seen)
        await until_said_by(client, "user")
        assert client.types()[at:] == [*["audio"] * 3, "ConversationText", "AgentAudioDone", "ConversationText"]
        assert client.seen[at + 3]["content"] == "Later."


async def test_row_17_a_threshold_of_1_waits_for_force_end_turn(emulator: Emulator) -> None:
    async with session(emulator, agent=listening(FLUX, eot_threshold=1.0)) as client:
        await speak(client, SPEECH + SILENCE * 4)  # 2.4 s, and the timeout is 5 s
        await client.send("ForceEndTurn")
        await client.until("ConversationText")
        assert [each["trigger"] for each in of(client, "EndOfTurn")] == ["manual"]


async def test_row_18_update_listen_is_partial_and_two_at_once_have_one_answer(emulator: Emulator) -> None:
    multi = {"model": "flux-general-multi", "eot_threshold": 1.0, "eot_timeout_ms": 900, "language_hints": ["nl"]}
    async with session(emulator, agent=listening(FLUX, **multi)) as client:
        for keyterms in (["a"], ["b"]):
            provider = {"type": "deepgram", "model": "flux-general-multi", "keyterms": keyterms}
            await client.send("UpdateListen", listen={"provider": provider})
        await client.until("ListenUpdated")
        await speak(client, SPEECH + SILENCE + SPEECH + SILENCE * 2)  # the pause of 0.6 s ends no turn: 0.9 s are set
        said = await client.until("ConversationText")
        assert said["content"] in {"(speech, 2.5 s)", "(speech, 2.6 s)"}
        assert (said["languages_hinted"], said["languages"]) == ([], ["en"])
        assert len(of(client, "ListenUpdated")) == 1
        assert [each["trigger"] for each in of(client, "EndOfTurn")] == ["timeout"]


async def test_row_19_update_prompt_appends(emulator: Emulator) -> None:
    think = {"provider": OPEN_AI, "prompt": "x" * 20_000}
    async with session(emulator, agent={"think": think}) as client:
        await client.send("UpdatePrompt", prompt="x" * 5_000)
        await client.until("PromptUpdated")
        await client.send("UpdatePrompt", prompt="x")
        await client.until("PromptUpdated")
        warning = await client.next()
        assert (warning["code"], "25001" in warning["description"]) == ("PROMPT_TOO_LONG", True)


async def test_row_20_inject_user_message_is_echoed_with_a_manual_end_of_turn(emulator: Emulator) -> None:
    async with session(emulator, agent=listening(FLUX)) as client:
        await client.send("InjectUserMessage", content="Hello?")
        assert await client.next() == {"type": "EndOfTurn", "trigger": "manual"}
        echo = await client.next()
        assert (echo["type"], echo["role"], echo["content"]) == ("ConversationText", "user", "Hello?")


@pytest.mark.slow
async def test_row_21_slow_thinking_is_warned_of_after_5_s(emulator: Emulator) -> None:
    grant = emulator._grants.named("default")
    emulator._grants.add(grant, read_fault("slow-think", {"delay": "5.1s"}))
    async with session(emulator, agent={}) as client:
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        (warning,) = of(client, "Warning")
        text = "We have now waited 5 seconds for a think response."
        assert (warning["code"], warning["description"]) == ("SLOW_THINK_REQUEST", text)


@pytest.mark.parametrize("ends", ["ends-session", "ends-turn"])
async def test_row_22_failing_to_think_ends_what_a_switch_says(ends: str, write: Callable[[str], Path]) -> None:
    path = write('[[scenario.turn]]\ntext = "fail"\nerror = { code = "FAILED_TO_THINK" }\n')
    async with Emulator(behavior=behaving(failed_to_think=ends)) as emulator, playing(emulator, path) as client:
        await client.send("InjectUserMessage", content="fail")
        assert (await client.until("Error"))["code"] == "FAILED_TO_THINK"
        if ends == "ends-session":
            with pytest.raises(ConnectionClosed):
                await client.next()
        else:
            await client.send("InjectUserMessage", content="again")
            await client.until("AgentAudioDone")


async def test_row_23_an_unknown_agent_is_an_error_of_the_server(emulator: Emulator) -> None:
    async with session(emulator) as client:
        assert await refused(client, AGENT_ID) == ("INTERNAL_SERVER_ERROR", "resolving agent ID")


async def test_row_24_flux_needs_its_version(emulator: Emulator) -> None:
    async with session(emulator) as client:
        code, text = await refused(client, listening({**NOVA, "model": "flux-general-en"}))
        assert (code, 'version "v2"' in text) == ("INVALID_SETTINGS", True)
