"""What a scenario makes the agent do."""

from __future__ import annotations

import json
import re
import struct
import tracemalloc
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pytest_dgbudget.client.spoken_text import spoken
from pytest_dgbudget.emulator.audio.sound import LONGEST_MS, SampledSound, Tone, read_wav
from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.project.prices import ADVANCED_MODELS
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.scenario import ReusableAgents
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.rules.audio import AudioFormat
from tests.support.emulator_api import get, rows
from tests.support.emulator_client import INPUT, SILENCE, SPEECH, Client, playing, speak, thinking
from tests.support.emulator_process import AGENT_ID, finish, first_line, process

DOCS = Path(__file__).parents[3] / "docs"


async def reply_to(client: Client, text: str) -> str:
    """Say this and wait for what the agent says."""
    await client.send("InjectUserMessage", content=text)
    await client.until("ConversationText")
    reply = await client.until("ConversationText")
    await client.until("AgentAudioDone")
    assert reply["role"] == "assistant"
    return str(reply["content"])


async def call_of(client: Client) -> dict[str, str]:
    request = await client.until("FunctionCallRequest")
    (function,) = request["functions"]
    assert function["client_side"] is True
    return dict(function)


@pytest.mark.asyncio
async def test_the_example_of_the_documentation_plays(emulator: Emulator, brief: Behavior, tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (DOCS / "emulator.md").read_text(encoding="utf-8"), re.DOTALL)[:1]
    file = tmp_path / "example.toml"
    file.write_text(example, encoding="utf-8")
    async with playing(emulator, file) as client:
        assert await reply_to(client, "where is MY order? ") == "Which one?"
        await client.send("InjectUserMessage", content="It is order A-17.")
        call = await call_of(client)
        assert (call["name"], json.loads(call["arguments"])) == ("look_up", {"order": "A-17"})
        await client.send("FunctionCallResponse", id=call["id"], name="look_up", content="on its way")
        assert (await client.until("ConversationText"))["content"] == "Order A-17: on its way"
        await client.until("AgentAudioDone")
        await client.send("InjectUserMessage", content="So, Goodbye then")
        await client.rest()
        assert client.connection.close_code == 1000
    async with playing(emulator, f"{file}::out of order") as client:
        assert await reply_to(client, "hello") == "One moment."
        assert [each["code"] for each in client.seen if not isinstance(each, bytes) and each["type"] == "Warning"] == [
            "SLOW_THINK_REQUEST"
        ]
        await client.send("InjectUserMessage", content="hello")
        assert await client.failure() == "FAILED_TO_THINK"


@pytest.mark.asyncio
async def test_what_no_turn_matches_is_answered_as_without_a_scenario(
    emulator: Emulator, brief: Behavior, write: Callable[[str], Path]
) -> None:
    async with playing(emulator, write('[[scenario.turn]]\ntext = "a"\nreply = "b"')) as client:
        assert await reply_to(client, "ab") == "You said: ab"


@pytest.mark.asyncio
async def test_times_counts_in_each_session_of_its_own(
    emulator: Emulator, brief: Behavior, write: Callable[[str], Path]
) -> None:
    path = write('[[scenario.turn]]\ntimes = 1\nreply = "first"\n[[scenario.turn]]\nreply = "later"')
    for _ in range(2):
        async with playing(emulator, path) as client:
            assert [await reply_to(client, "x") for _ in range(3)] == ["first", "later", "later"]


@pytest.mark.asyncio
async def test_a_user_who_speaks_ends_the_steps(emulator: Emulator, write: Callable[[str], Path]) -> None:
    path = write('[[scenario.turn]]\ntext = "go"\ncall = { name = "f" }\nreply = "never"')
    async with playing(emulator, path) as client:
        await client.send("InjectUserMessage", content="go")
        call = await call_of(client)
        loud = struct.pack("<h", 8000) * 16000
        await client.connection.send(loud)
        cancelled = await client.until("FunctionCallCancelled")
        assert cancelled["functions"] == [{"id": call["id"], "name": "f"}]
        await client.connection.send(bytes(2 * 16000))
        await client.until("AgentAudioDone")
        assert _said(client).startswith("I heard")


@pytest.mark.asyncio
async def test_what_is_spoken_has_the_words_of_the_scenario_as_long_as_there_are_any(
    emulator: Emulator, brief: Behavior, write: Callable[[str], Path]
) -> None:
    path = write(
        'hears = ["Where is it?", "Look up the order A-17"]\n[[scenario.turn]]\ntext = "where is it?"\nreply = "?"'
    )
    order = {"name": "look_up", "description": "of an order", "parameters": {"properties": {"order": {}}}}
    async with playing(emulator, path, agent=thinking(order)) as client:
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        assert _said(client) == "?"
        await speak(client, SPEECH + SILENCE)
        call = await call_of(client)
        assert (call["name"], json.loads(call["arguments"])) == ("look_up", {"order": "A-17"})
        await client.send("FunctionCallResponse", id=call["id"], name="look_up", content="lost")
        await client.until("AgentAudioDone")
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
    said = [message["content"] for message in client.said() if message.get("role") == "user"]
    assert said[:2] == ["Where is it?", "Look up the order A-17"]
    assert re.fullmatch(r"\(speech, \d\.\d s\)", said[2])


@pytest.mark.asyncio
async def test_words_that_audio_carries_match_turns_and_use_up_none_of_the_scenarios(
    emulator: Emulator, brief: Behavior, write: Callable[[str], Path]
) -> None:
    path = write(
        'hears = ["Goodbye"]\n[[scenario.turn]]\npattern = "order (?P<order>\\\\S+)"\nreply = "Order {order}."'
    )
    async with playing(emulator, path) as client:
        await speak(client, b"".join(spoken("Where is order A-17?", INPUT)) + SILENCE)
        await client.until("AgentAudioDone")
        assert _said(client) == "Order A-17?."
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
    said = [message["content"] for message in client.said() if message.get("role") == "user"]
    assert said == ["Where is order A-17?", "Goodbye"]


@pytest.mark.asyncio
async def test_a_step_sends_any_message_of_the_servers(
    emulator: Emulator, brief: Behavior, write: Callable[[str], Path]
) -> None:
    turn = 'send = { type = "FrustrationDetected", count = 1, escalated = false }\nreply = "Sorry."'
    more = 'then = [{ send = { type = "__customFromThinkProvider", content = { said = ["{text}"] } } }]'
    async with playing(emulator, write(f"[[scenario.turn]]\n{turn}\n{more}")) as client:
        await client.send("InjectUserMessage", content="grr")
        frustration = await client.until("FrustrationDetected")
        assert frustration == {"type": "FrustrationDetected", "count": 1, "escalated": False}
        assert (await client.until("ConversationText"))["content"] == "Sorry."
        assert (await client.until("__customFromThinkProvider"))["content"] == {"said": ["grr"]}


@pytest.mark.asyncio
async def test_a_reusable_agent_of_the_scenario_is_named_by_its_id_and_billed_as_what_it_is(
    brief: Behavior, write: Callable[[str], Path], tmp_path: Path
) -> None:
    think = {"provider": {"type": "open_ai", "model": ADVANCED_MODELS[0]}}
    (tmp_path / "agents.json").write_text(json.dumps({AGENT_ID: {"greeting": "Hello", "think": think}}))
    async with Emulator(settlement_lag=0, behavior=brief) as emulator:
        async with playing(emulator, write('agents = "agents.json"'), agent=AGENT_ID) as client:
            assert (await client.until("ConversationText"))["content"] == "Hello"
        await rows(emulator, 1)
        (result,) = (await get(emulator, "/billing/breakdown", grouping="line_item"))["results"]
        assert result["grouping"]["line_item"] == "emulated::agent-advanced"
        async with connect(
            emulator.agent_url, additional_headers={"Authorization": f"Token {emulator.api_key}"}, proxy=None
        ) as connection:
            client = Client(connection)
            await client.until("Welcome")
            await client.send("Settings", audio={}, agent=AGENT_ID)
            assert await client.failure() == "INTERNAL_SERVER_ERROR"
            assert client.seen[-1]["description"] == "resolving agent ID"


@pytest.mark.asyncio
async def test_variables_of_the_scenario_win_over_those_of_the_project(
    brief: Behavior, write: Callable[[str], Path], tmp_path: Path
) -> None:
    greeting = {"greeting": "DG_A and DG_B"}
    (tmp_path / "agents.json").write_text(json.dumps({AGENT_ID: greeting, "variables": {"DG_A": "its own"}}))
    given = ReusableAgents(agents={AGENT_ID: {"greeting": "never"}}, variables={"DG_A": "a", "DG_B": "b"})
    path = write('agents = "agents.json"')
    async with (
        Emulator(behavior=brief, agents=given) as emulator,
        playing(emulator, path, agent=AGENT_ID) as client,
    ):
        assert (await client.until("ConversationText"))["content"] == "its own and b"


def _said(client: Client) -> str:
    texts = [each for each in client.seen if not isinstance(each, bytes) and each["type"] == "ConversationText"]
    return str(texts[-1]["content"])


@pytest.mark.asyncio
async def test_two_calls_are_asked_at_once_and_result_is_the_last_ones(
    emulator: Emulator, brief: Behavior, write: Callable[[str], Path]
) -> None:
    path = write('[[scenario.turn]]\ncall = [{ name = "f" }, { name = "g" }]\nreply = "{result} for {text}"')
    async with playing(emulator, path) as client:
        await client.send("InjectUserMessage", content="x")
        first, second = await call_of(client), await call_of(client)
        await client.send("FunctionCallResponse", id=second["id"], name="g", content="from g")
        await client.send("FunctionCallResponse", id=first["id"], name="f", content="from f")
        await client.until("AgentAudioDone")
        assert _said(client) == "from g for x"


@pytest.mark.asyncio
async def test_an_audio_file_is_heard_in_place_of_the_voice(
    emulator: Emulator, write: Callable[[str], Path], tmp_path: Path
) -> None:
    with wave.open(str(tmp_path / "ramp.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<hh", n, -1) for n in range(800)))
    async with playing(emulator, write('[[scenario.turn]]\naudio = "ramp.wav"\n')) as client:
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        audio = b"".join(each for each in client.seen if isinstance(each, bytes))
        samples = struct.unpack(f"<{len(audio) // 2}h", audio)
    assert len(samples) == 1600
    assert samples[:1598:2] == tuple(range(799))  # the left channel, at twice its rate
    assert [each for each in client.types() if each == "ConversationText"] == ["ConversationText"]  # the user's


@pytest.mark.parametrize("encoding", ["linear16", "mulaw", "alaw"])
def test_a_tone_is_as_long_as_it_was_asked_for(encoding: str) -> None:
    audio = AudioFormat(encoding, 11025)
    assert sum(map(len, Tone(440, 500).frames(audio))) == (audio.bytes_per_sample or 0) * (11025 // 2)


def test_the_last_frame_is_filled_with_silence() -> None:
    audio = AudioFormat("linear16", 8000)
    assert SampledSound([1000] * 8, 8000).milliseconds == Tone(3000, 1).milliseconds == 20
    for sound in (SampledSound([1000] * 8, 8000), Tone(3000, 1)):
        (frame,) = sound.frames(audio)
        assert (any(frame[:16]), frame[16:]) == (True, bytes(2 * 152))


def test_the_longest_tone_is_made_while_it_is_played() -> None:
    tracemalloc.start()
    frames = Tone(443, LONGEST_MS).frames(AudioFormat("linear16", 48000))
    first, second = next(frames), next(frames)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(first), first != second, most < 2**20) == (2 * 48 * 120, True, True)


def test_a_wav_file_takes_little_more_than_its_first_channel(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setparams((2, 2, 48000, 0, "NONE", ""))
        file.writeframes(struct.pack("<hh", 7, -1) * 2_000_000)
    tracemalloc.start()
    sound = read_wav(tmp_path / "long.wav")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(sound.samples), set(sound.samples)) == (2_000_000, {7})
    assert most < 6 * 2**20


@pytest.mark.parametrize(("rate", "why"), [(8000, "lasts 3750 s; up to 600 s"), (96000, "has 30000001 samples; up to")])
def test_a_wav_file_has_a_longest(tmp_path: Path, rate: int, why: str) -> None:
    size = 2 * 30_000_001
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)
    (tmp_path / "long.wav").write_bytes(head)
    with pytest.raises(ValueError, match=why):
        read_wav(tmp_path / "long.wav")


def test_a_file_that_has_changed_is_read_again(write: Callable[..., Path]) -> None:
    library, path = Library(), write('[[scenario.turn]]\nreply = "a"')
    assert library.find(str(path)) is library.find(str(path))
    write('[[scenario.turn]]\nreply = "abc"')
    assert library.find(str(path)).turns[0].steps[0].reply == "abc"


@pytest.mark.asyncio
async def test_a_client_that_names_a_bad_file_is_refused(emulator: Emulator, tmp_path: Path) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with playing(emulator, tmp_path / "none.toml"):
            pass
    assert refused.value.response.status_code == 422
    assert b"can't be read" in (refused.value.response.body or b"")


def test_the_command_plays_a_file_and_refuses_a_bad_one(write: Callable[..., Path]) -> None:
    path = write('[[scenario.turn]]\nreply = "a"')
    with process("--tied", "--scenario", str(path)) as child:
        assert first_line(child)["agent_url"]
        assert finish(child) == (0, "", "")
    with process("--scenario", f"{path}::two") as child:
        status, stdout, stderr = finish(child)
    assert (status, stdout) == (2, "")
    assert stderr == f"dgbudget emulator: {path} has no scenario 'two'; it has: one\n"
