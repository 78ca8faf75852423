"""In which order and how fast real sessions were seen to go; sections of docs/emulator-fidelity.md, "As seen"."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.timing import SEEN
from pytest_dgbudget.emulator.vendor import SETS
from tests.emulator.conftest import BRIEF, behaving
from tests.support.emulator_client import ORDER, SILENCE, SPEECH, Client, asked, playing, session, speak, thinking

pytestmark = pytest.mark.asyncio

FLUX = {"listen": {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}}}
GREETING = "Hello. This is Ann. I am an agent. You can ask me. What is it?"
SAID = ["ConversationText", "History"]
MULAW = {"encoding": "mulaw", "sample_rate": 8000}
TELEPHONE = {"input": MULAW, "output": {**MULAW, "container": "none"}}
OF_2025 = replace(BRIEF, vendor=SETS["2025"])


async def timed(client: Client, last: str) -> list[tuple[float, Any]]:
    """What comes until a message of this type, with the seconds at which it came."""
    came: list[tuple[float, Any]] = []
    while not came or isinstance(came[-1][1], bytes) or came[-1][1]["type"] != last:
        message = await client.next()
        came.append((time.monotonic(), message))
    return came


def types(came: list[tuple[float, Any]]) -> list[str]:
    """Types in order, however many frames one sentence has."""
    kinds = ["audio" if isinstance(message, bytes) else str(message["type"]) for _, message in came]
    return [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if (kind, before) != ("audio", "audio")]


def moment(came: list[tuple[float, Any]], kind: str, role: str | None = None) -> float:
    """When the first such message came."""
    return next(at for at, each in came if isinstance(each, dict) and (each["type"], each.get("role")) == (kind, role))


async def test_order_of_the_start_and_the_greeting_in_one_text() -> None:
    async with Emulator() as emulator, session(emulator) as client:
        began = time.monotonic()
        await client.send("Settings", audio={}, agent={"greeting": GREETING})
        came = await timed(client, "AgentAudioDone")
    assert types(came) == ["SettingsApplied", *SAID, "audio", "AgentAudioDone"]
    assert [each["content"] for _, each in came if isinstance(each, dict) and "content" in each] == [GREETING] * 2
    assert 0.2 < moment(came, "SettingsApplied") - began < 1
    first = next(at for at, each in came if isinstance(each, bytes))
    assert first - began > 0.3, "it begins 0.1 s after SettingsApplied, which comes 0.22 s after Settings"
    assert first - moment(came, "SettingsApplied") < 0.8
    assert moment(came, "AgentAudioDone") - first < voice.duration_ms(GREETING) / 1000 / 1.5


@pytest.mark.parametrize(
    ("behavior", "agent", "before", "after"),
    [
        (OF_2025, {}, [], []),
        (OF_2025, FLUX, [], []),
        (BRIEF, {}, ["LatencyReport"] * 2, ["LatencyReport"] * 2),
    ],
)
async def test_order_of_a_turn_in_sentences(behavior: Any, agent: Any, before: list[str], after: list[str]) -> None:
    async with Emulator(behavior=behavior) as emulator, session(emulator, flags={}, agent=agent) as client:
        await speak(client, SPEECH + SILENCE)
        await client.until("History")
        came = await timed(client, "AgentAudioDone")
        assert client.types()[2:5] == ["UserStartedSpeaking", *SAID]
        assert types(came) == [*before, *SAID, *after, "audio", "AgentAudioDone"]
        await client.send("InjectUserMessage", content="First. Second. Third.")
        came = await timed(client, "AgentAudioDone")
        sentences = [*SAID, *after, "audio", *SAID, "audio", *SAID, "audio"]
        assert types(came) == [*SAID, *before, *sentences, "AgentAudioDone"]


async def test_order_of_a_turn_with_flux() -> None:
    async with Emulator(behavior=BRIEF) as emulator, session(emulator, flags={}, agent=FLUX) as client:
        await speak(client, SPEECH + SILENCE)
        came = await timed(client, "AgentAudioDone")
        stream = [each for each in came if isinstance(each[1], bytes) or "stt_latency" not in each[1]]
        reports = ["LatencyReport"] * 2
        turn = ["UserStartedSpeaking", "EndOfTurn", *SAID, *reports, *SAID, *reports, "audio", "AgentAudioDone"]
        assert types(stream) == turn
        assert len(came) > len(stream)


@pytest.mark.parametrize(("behavior", "echo"), [(BRIEF, ["FunctionCallResponse"]), (OF_2025, [])])
async def test_order_of_a_function(behavior: Any, echo: list[str]) -> None:
    async with Emulator(behavior=behavior) as emulator, session(emulator, flags={}, agent=thinking(ORDER)) as client:
        function = await asked(client)
        assert function["id"].startswith("call_")
        assert client.types()[2:] == [*SAID, "FunctionCallRequest"]
        await client.send("FunctionCallResponse", id=function["id"], name=function["name"], content="shipped")
        came = await timed(client, "AgentAudioDone")
        kinds = [each for each in types(came) if each != "LatencyReport"]
        assert kinds == [*echo, "History", *SAID, "audio", "AgentAudioDone"]
        assert came[len(echo)][1] == {"type": "History", "function_calls": [{**function, "response": "shipped"}]}


async def test_order_of_a_function_with_a_filler_has_one_end_of_audio(write: Callable[[str], Path]) -> None:
    path = write('[[scenario.turn]]\nreply = "One moment."\nthen = [{ call = { name = "f" }, reply = "{result}" }]')
    async with Emulator(behavior=BRIEF) as emulator, playing(emulator, path) as client:
        await client.send("InjectUserMessage", content="x")
        (function,) = (await client.until("FunctionCallRequest"))["functions"]
        await client.send("FunctionCallResponse", id=function["id"], name="f", content="Done.")
        await client.until("AgentAudioDone")
        said = [each["content"] for each in client.said() if each.get("role") == "assistant"]
        assert said == ["One moment.", "Done."]
        await client.send("UpdatePrompt", prompt="x")
        await client.until("PromptUpdated")
        assert client.types().count("AgentAudioDone") == 1


@pytest.mark.parametrize("done", [True, False])
async def test_order_of_a_barge_in(done: bool) -> None:
    behavior = behaving(audio_done_at_interruption=done)
    async with Emulator(behavior=behavior) as emulator, session(emulator, agent={"greeting": "x" * 300}) as client:
        while client.types()[-1] != "audio":
            await client.next()
        await speak(client, SPEECH + SILENCE)
        await client.until("UserStartedSpeaking")
        began, at = time.monotonic(), len(client.seen)
        if done:
            await client.until("AgentAudioDone")
            assert time.monotonic() - began < 1
        await client.until("ConversationText")
        assert client.types()[at:] == [*["AgentAudioDone"] * done, "ConversationText"]


async def test_order_history_comes_directly_after_its_text() -> None:
    async with Emulator(behavior=BRIEF) as emulator, session(emulator, flags={}, agent={"greeting": "Hi"}) as client:
        await client.until("AgentAudioDone")
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        await client.send("InjectUserMessage", content="One. Two.")
        await client.until("AgentAudioDone")
    texts = [(one, two) for one, two in pairwise(client.seen) if isinstance(one, dict) and one["type"] == SAID[0]]
    assert len(texts) == 6
    for text, history in texts:
        assert history == {"type": "History", "role": text["role"], "content": text["content"]}


FIRST = "You said: This is a first sentence."
SECOND = "Here is another one."


@pytest.mark.slow
async def test_pacing_is_faster_than_real_time_sentence_by_sentence() -> None:
    async with Emulator() as emulator, session(emulator, agent={}, audio=TELEPHONE) as client:
        await client.send("InjectUserMessage", content=f"{FIRST[10:]} {SECOND}")
        came = await timed(client, "AgentAudioDone")
    texts = [(at, each["content"]) for at, each in came if isinstance(each, dict) and each.get("role") == "assistant"]
    (first, _), (second, _) = texts
    assert [content for _, content in texts] == [FIRST, SECOND]
    thought = first - moment(came, "ConversationText", "user")
    assert 0.9 < thought < 2
    length = voice.duration_ms(FIRST) / 1000
    assert 0.95 * length < second - first < length + 1  # not begun before the first would have been heard
    for began, ended, text in ((first, second, FIRST), (second, came[-1][0], SECOND)):
        frames = [(at, len(each)) for at, each in came if isinstance(each, bytes) and began <= at <= ended]
        sizes = [size for _, size in frames]
        assert set(sizes[:-1]) == {960}
        assert sizes[-1] <= 960
        assert sum(sizes) == voice.duration_ms(text) * 8
        sending = frames[-1][0] - frames[0][0]
        assert 2 < (sum(sizes[:-1]) / 8000) / sending < 5
    assert came[-1][0] - second < voice.duration_ms(SECOND) / 1000  # the last audio is sent, and not yet heard


async def test_pacing_after_a_function() -> None:
    async with Emulator() as emulator, session(emulator, agent=thinking(ORDER)) as client:
        function = await asked(client)
        answered = time.monotonic()
        await client.send("FunctionCallResponse", id=function["id"], name=function["name"], content="x")
        came = await timed(client, "ConversationText")
        assert 0.7 < came[-1][0] - answered < 1.8


async def test_pacing_is_as_it_was_measured() -> None:
    assert 2.2 <= SEEN.speed <= 4.8
    assert 900 <= SEEN.thinking_ms <= 1100
    assert 700 <= SEEN.after_function_ms <= 1000
