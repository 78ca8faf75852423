"""How an invalid scenario file is refused: with the file, the line, the key and the reason."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_dgbudget.emulator.audio.sound import read_wav
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.tables import BadScenario

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
    '[[scenario]]\nname = "a"\nvendor = { agent_list = "bare" }': "line 3, scenario.vendor.agent_list: it is a "
    "switch of the whole emulator: dgbudget emulator --vendor agent_list=…",
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
    'send = { type = "x", content = nan }': "line 4, scenario.turn.send.content: JSON has no nan; write it as a text",
    'call = { name = "f", arguments = { a = ["{b}"] } }': "line 4, scenario.turn.call.arguments.a: {b} stands",
    'call = { name = "f", arguments = { day = 2026-11-28 } }': "line 4, scenario.turn.call.arguments.day: JSON has no",
    'send = { type = "x", content = inf }': "line 4, scenario.turn.send.content: JSON has no inf; write it as a text",
    'send = { text = "x" }': "line 4, scenario.turn.send: it is a message: { type",
    'send = { type = "x", text = "{y}" }': "line 4, scenario.turn.send.text: {y} stands for nothing here",
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
