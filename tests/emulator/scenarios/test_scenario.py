"""What a scenario makes the agent do, and how an invalid file is refused."""

from __future__ import annotations

import json
import os
import re
import struct
import time
import tracemalloc
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pytest_dgbudget.emulator.audio.sound import LONGEST_MS, SampledSound, Tone, read_wav
from pytest_dgbudget.emulator.audio.voice import Pace
from pytest_dgbudget.emulator.project.prices import ADVANCED_MODELS
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.toml import BadScenario
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.rules.audio import AudioFormat
from tests.support.emulator_api import get, rows
from tests.support.emulator_client import SILENCE, SPEECH, Client, playing, speak, thinking
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
async def test_the_example_of_the_documentation_plays(emulator: Emulator, brief: Pace, tmp_path: Path) -> None:
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
    emulator: Emulator, brief: Pace, write: Callable[[str], Path]
) -> None:
    async with playing(emulator, write('[[scenario.turn]]\ntext = "a"\nreply = "b"')) as client:
        assert await reply_to(client, "ab") == "You said: ab"


@pytest.mark.asyncio
async def test_times_counts_in_each_session_of_its_own(
    emulator: Emulator, brief: Pace, write: Callable[[str], Path]
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
    emulator: Emulator, brief: Pace, write: Callable[[str], Path]
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
async def test_a_step_sends_any_message_of_the_servers(
    emulator: Emulator, brief: Pace, write: Callable[[str], Path]
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
    brief: Pace, write: Callable[[str], Path], tmp_path: Path
) -> None:
    think = {"provider": {"type": "open_ai", "model": ADVANCED_MODELS[0]}}
    (tmp_path / "agents.json").write_text(json.dumps({AGENT_ID: {"greeting": "Hello", "think": think}}))
    async with Emulator(settlement_lag=0, pace=brief) as emulator:
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
            assert await client.failure() == "AGENT_ID_NOT_SUPPORTED"


def _said(client: Client) -> str:
    texts = [each for each in client.seen if not isinstance(each, bytes) and each["type"] == "ConversationText"]
    return str(texts[-1]["content"])


@pytest.mark.asyncio
async def test_two_calls_are_asked_at_once_and_result_is_the_last_ones(
    emulator: Emulator, brief: Pace, write: Callable[[str], Path]
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
    frames = Tone(440, LONGEST_MS).frames(AudioFormat("linear16", 48000))
    first, second = next(frames), next(frames)
    assert (len(first), first != second, tracemalloc.get_traced_memory()[1] < 2**20) == (1920, True, True)
    tracemalloc.stop()


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


BAD = {
    'x = 1\n[[scenario]]\nname = "a"': "line 1, x: no such key; there are: scenario",
    "": "line 1, scenario: the file has none",
    "scenario = 3": "line 1, scenario: it is a list of tables: begin each with [[scenario]]",
    "[[scenario]\n": "line 1: not TOML",
    "[[scenario]]\n[[scenario.turn]]\n": "line 1, scenario.name: a scenario needs a name",
    "# a comment\nscenario = " + "[" * 5000 + "]" * 5000: "line 2: it is nested too deeply",
    '[[scenario]]\nname = "a"': "line 1, scenario.turn: the scenario has neither",
    '[[scenario]]\nname = "a"\nagents = "none.json"': "line 3, scenario.agents: can't read reusable agents from",
    '[[scenario]]\nname = "a"\nhears = "b"': 'line 3, scenario.hears: it is a list of texts: ["…", "…"]',
    '[[scenario]]\nname = "a"\nhears = ["b", 3]': "line 3, scenario.hears: it is a list of texts",
    '[[scenario]]\nname = "a"\nturns = []': "line 3, scenario.turns: no such key; did you mean turn?",
}
BAD_TURNS = {
    "reply = 3": "line 4, scenario.turn.reply: 3 is not a text",
    'text = "a"\npattern = "b"': "line 5, scenario.turn.pattern: a turn has a text or a pattern, not both",
    '# a comment\n\npattern = "("': "line 6, scenario.turn.pattern: not a regular expression",
    'text = """\na\nb"""\nreply = "{x}"': "line 7, scenario.turn.reply: {x} stands for nothing here; there are {text}",
    'reply = "{"': "line 4, scenario.turn.reply: ",
    'reply = "{text:d}"': "line 4, scenario.turn.reply: {text:d} stands for nothing here; there are {text}, {result}",
    'reply = "{text:{nope}}"': "line 4, scenario.turn.reply: {text:{nope}} stands for nothing here",
    'reply = "{text!r}"': "line 4, scenario.turn.reply: {text!r} stands for nothing here",
    'reply = "{text.__class__}"': "line 4, scenario.turn.reply: {text.__class__} stands for nothing here",
    'reply = "{text[0]}"': "line 4, scenario.turn.reply: {text[0]} stands for nothing here",
    'reply = "{}"': "line 4, scenario.turn.reply: {} stands for nothing here",
    'send = { type = "x", content = nan }': "line 4, scenario.turn.send: JSON has no nan; write it as a text",
    'call = { name = "f", arguments = { a = ["{b}"] } }': "line 4, scenario.turn.call: {b} stands for nothing",
    'call = { name = "f", arguments = { day = 2026-11-28 } }': "line 4, scenario.turn.call: JSON has no 2026-11-28",
    'send = { type = "x", content = inf }': "line 4, scenario.turn.send: JSON has no inf; write it as a text",
    'send = { text = "x" }': "line 4, scenario.turn.send: it is a message: { type",
    'send = { type = "x", text = "{y}" }': "line 4, scenario.turn.send: {y} stands for nothing here",
    "call = 3": "line 4, scenario.turn.call: it is { name",
    'call = { name = "f", argument = {} }': "line 4, scenario.turn.call.argument: no such key",
    'wait = "5 minutes"': "line 4, scenario.turn.wait: '5 minutes' is not a time",
    "tone = 440": "line 4, scenario.turn.tone: it is { hz = 440, ms = 500 }",
    "tone = { hz = 0, ms = 1 }": "line 4, scenario.turn.tone.hz: 0 is not a whole number from 1",
    'audio = "none.wav"': "line 4, scenario.turn.audio: ",
    "close = 1006": "line 4, scenario.turn.close: 1006 is no code that a Close may carry",
    "close = true": "line 4, scenario.turn.close: True is not a whole number",
    'error = { code = "%s" }'
    % ("é" * 62): "line 4, scenario.turn.error.code: it has 124 bytes; a Close, which carries",
    "error = {}": 'line 4, scenario.turn.error: it is { code = "…"',
    'reply = """\n[\n"""\nwait = 1' + "0" * 400: "line 7, scenario.turn.wait: ",
    "times = 1" + "0" * 5000 + "\nreply = 'a'": "line 4: it has a number of thousands of digits",
    "times = 0x1" + "0" * 5000: "line 4, scenario.turn.times: a number of thousands of digits is not a whole number",
    "times = 0": "line 4, scenario.turn.times: 0 is not a whole number from 1",
    "then = [{ reply = 'a' }, { text = 'b' }]": "line 4, scenario.turn.then.text: no such key",
    "then = [\n  { reply = 'a' },\n  { close = 1 },\n]": "line 4, scenario.turn.then.close: 1 is not",
    '[[scenario.fault]]\nkind = "dropp"': "line 5, scenario.fault.kind: 'dropp' is no fault; did you mean drop?",
    '[[scenario.fault]]\nkind = ["drop"]': "line 5, scenario.fault.kind: ['drop'] is no fault",
    '[[scenario.fault]]\nkind = "drop"\nhow = "x"': "line 6, scenario.fault.how: 'x' is none of rst, fin",
    '[[scenario.fault]]\nkind = "limit"\n': "line 4, scenario.fault.sessions: limit needs it",
}


@pytest.mark.parametrize("source", BAD, ids=lambda source: source[:60])
def test_a_bad_file_names_line_and_key(source: str, write: Callable[..., Path]) -> None:
    _assert_refused(write(source, ""), BAD[source])


@pytest.mark.parametrize("turn", BAD_TURNS, ids=lambda turn: turn[:60])
def test_a_bad_turn_names_line_and_key(turn: str, write: Callable[..., Path]) -> None:
    _assert_refused(write(f"[[scenario.turn]]\n{turn}\n"), BAD_TURNS[turn])


def _assert_refused(path: Path, why: str) -> None:
    with pytest.raises(BadScenario) as refused:
        Library().find(str(path))
    assert str(refused.value).startswith(f"{path}, {why}")


def test_the_second_of_two_turns_is_the_one_that_is_named(write: Callable[..., Path]) -> None:
    path = write('[[scenario.turn]]\nreply = "a"\n[[scenario.turn]]\nreply = "a"\n\n[[scenario.turn]]\nreply = 3\n')
    _assert_refused(path, "line 9, scenario.turn.reply: 3 is not a text")


def test_a_wrong_key_of_a_long_file_is_found_at_once(write: Callable[..., Path]) -> None:
    turn = '[[scenario.turn]]  # it\'s [one]\ntext = \'t\'\nreply = """\n["""\nthen = [\n  { reply = \'x]\' },\n]\n'
    path = write(turn * 700 + "replly = 'x'\n")
    started = time.process_time()
    _assert_refused(path, "line 4903, scenario.turn.replly: no such key")
    assert time.process_time() - started < 4  # 0.4 s with bisection, a minute without; other processes don't count


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="can't be read: No such file"):
        Library().find(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(BadScenario, match="is not UTF-8"):
        Library().find(str(tmp_path / "latin.toml"))
    (tmp_path / "text.wav").write_text("RIFF")
    with pytest.raises(ValueError, match="can't be read as a WAV file"):
        read_wav(tmp_path / "text.wav")


def test_what_would_be_waited_for_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(BadScenario, match="can't be read: it is no regular file"):
            Library().find(str(path))
    _assert_refused(write('agents = "fifo"'), "line 3, scenario.agents: can't read reusable agents from")
    _assert_refused(write('[[scenario.turn]]\naudio = "fifo"'), "line 4, scenario.turn.audio: ")


@pytest.mark.parametrize("count", [0, 10])
def test_a_wav_file_has_a_rate(tmp_path: Path, count: int) -> None:
    data = bytes(2 * count)
    form = struct.pack("<IHHIIHH", 16, 1, 1, 0, 0, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + form
    (tmp_path / "still.wav").write_bytes(head + b"data" + struct.pack("<I", len(data)) + data)
    with pytest.raises(ValueError, match="has 0 samples a second"):
        read_wav(tmp_path / "still.wav")


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
