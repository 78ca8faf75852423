"""Each rule by which a client is matched with its cassette."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.cassette.matching import PlayableCassette, Player, RecordedClose, choose
from pytest_dgbudget.model import CassetteAudioRule, Mismatch, Pace
from pytest_dgbudget.rules.audio import AudioFormat
from tests.cassette.replays import terms
from tests.support.dialogues import CLIENT, Tape

SPEECH = bytes(range(1, 161)) * 2  # 10 ms of linear16 at 16 kHz
SILENCE = bytes(320)
SETTINGS = {"type": "Settings", "agent": {"greeting": "Hello", "think": {"prompt": "Be brief."}}}


def begun(encoding: str = "linear16") -> Tape:
    """A conversation up to SettingsApplied, 300 ms after the dial."""
    tape = Tape(AudioFormat(encoding, 16_000))
    tape.wait(100)
    tape.vendor("Welcome", request_id="request-1")
    tape.wait(100)
    tape.text(CLIENT, SETTINGS)
    tape.wait(100)
    tape.vendor("SettingsApplied")
    return tape


def player(
    tape: Tape | Cassette, *, audio: CassetteAudioRule = "length", pace: Pace = "max", ignore: tuple[str, ...] = ()
) -> Player:
    """A client has sent its Settings, and has what the vendor answered."""
    started = Player(PlayableCassette(tape.end() if isinstance(tape, Tape) else tape), terms(audio, ignore), pace)
    started.due(0)
    started.client_said(SETTINGS, 0)
    return started


def types(played: Any) -> list[Any]:
    return [message if isinstance(message, bytes) else message.payload["type"] for message in played]


def said(content: str) -> dict[str, str]:
    return {"type": "InjectUserMessage", "content": content}


def found(started: Player) -> Mismatch:
    assert started.mismatch is not None
    return started.mismatch


# Texts


def test_a_keep_alive_is_never_matched() -> None:
    tape = begun()
    tape.client("KeepAlive")
    tape.client("InjectUserMessage", content="a")
    started = player(tape)
    for at_ms in range(3):
        started.client_said({"type": "KeepAlive"}, at_ms)
    started.client_said(said("a"), 4)
    started.client_said({"type": "KeepAlive"}, 5)
    started.due(5)
    started.client_closed(6)
    assert started.mismatch is None


@pytest.mark.parametrize(
    ("recorded", "sent", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ("1", 1, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ([], {}, False),
        ("é", "e\u0301", False),
        ("x [scrubbed] y", "x anything at all y", True),
        ("x [scrubbed] y", "x y", False),
        ("[scrubbed]", "", True),
        ("[scrubbed]", 17, True),
        ("[scrubbed]", True, False),
        ("[scrubbed]", ["a"], False),
        ("a[scrubbed]b[scrubbed]c", "a1b2c", True),
        ("a[scrubbed]b[scrubbed]c", "a1c", False),
        ("plain", "[scrubbed]", False),
        ('{"password": "[scrubbed]", "n": 1}', '{"password":"x","n":1}', True),
        ('{"password": "[scrubbed]", "n": 1}', '{"password":"x","n":2}', False),
        ({"[scrubbed]": 1}, {"name": 1}, True),
        ({"[scrubbed]": 1}, {"name": 2}, False),
        ({"x[scrubbed]": 1}, {"name": 1}, False),
    ],
)
def test_texts_are_compared_as_json_and_scrubbed_stands_for_any_text(recorded: Any, sent: Any, same: bool) -> None:
    tape = begun()
    tape.client("UpdateSpeak", speak=recorded)
    started = player(tape)
    started.client_said({"type": "UpdateSpeak", "speak": sent}, 1)
    assert (started.mismatch is None) == same


def test_texts_come_in_order() -> None:
    tape = begun()
    tape.client("InjectUserMessage", content="a")
    tape.client("UpdatePrompt", prompt="b")
    started = player(tape)
    started.client_said({"type": "UpdatePrompt", "prompt": "b"}, 1)
    assert found(started).what == (
        "The client left out InjectUserMessage: it sent UpdatePrompt, which the cassette has after that."
    )
    assert found(started).line == 4


def test_a_text_of_another_type_is_shown_beside_the_one_that_is_next() -> None:
    tape = begun()
    tape.client("InjectUserMessage", content="a")
    started = player(tape)
    started.client_said({"type": "UpdatePrompt", "prompt": "b"}, 1)
    assert found(started) == Mismatch(
        cassette="cassettes/test_it.py/test_it/1",
        line=4,
        what="The cassette expects InjectUserMessage next; the client sent UpdatePrompt.",
        differences=(
            '  expected {"type": "InjectUserMessage", "content": "a"}',
            '  sent     {"type": "UpdatePrompt", "prompt": "b"}',
        ),
    )


def test_a_text_too_many_is_shown() -> None:
    tape = begun()
    tape.client("InjectUserMessage", content="a")
    started = player(tape)
    started.client_said(said("a"), 1)
    started.client_said(said("a"), 2)
    what = "The client sent InjectUserMessage once more; the cassette expects no such message any more."
    assert (found(started).what, found(started).line) == (what, 4)
    other = player(tape)
    other.client_said(said("a"), 1)
    other.client_said(said("b"), 2)
    what = "The client sent InjectUserMessage; the cassette expects no such message any more."
    assert (found(other).what, found(other).line) == (what, 4)


def test_a_text_may_come_before_what_it_answered_in_the_recording() -> None:
    tape = begun()
    tape.vendor("AgentAudioDone")
    tape.wait(5000)
    tape.client("InjectUserMessage", content="a")
    tape.vendor("ConversationText", role="user", content="a")
    started = Player(PlayableCassette(tape.end()), terms(), "vendor")
    started.client_said(SETTINGS, 0)
    started.client_said(said("a"), 0)
    assert types(started.due(150)) == ["Welcome", "SettingsApplied", "AgentAudioDone", "ConversationText"]


def test_what_the_hook_scrubbed_is_never_matched() -> None:
    tape = begun()
    tape.client("UpdatePrompt", scrubbed=["/prompt"], prompt="(name)", other=1)
    started = player(tape)
    started.client_said({"type": "UpdatePrompt", "prompt": "Call me Ada.", "other": 2}, 1)
    assert found(started).differences[0] == "UpdatePrompt/other"
    started = player(tape)
    started.client_said({"type": "UpdatePrompt", "prompt": "Call me Ada.", "other": 1}, 1)
    assert started.mismatch is None


def scrubbed() -> Tape:
    """A conversation of which the project's hook has removed who the user is."""
    tape = begun()
    tape.client("UpdatePrompt", scrubbed=["/prompt", "/of/0/name"], prompt="(name)", of=[{"name": "(name)", "n": 1}])
    tape.client("InjectUserMessage", content="Where is my order?")
    tape.client("UpdatePrompt", prompt="Be brief.", of=[{"name": "nobody", "n": 1}, {"n": 2}])
    return tape


PROMPT = {"type": "UpdatePrompt", "prompt": "Call me Ada.", "of": [{"name": "Ada", "n": 1}]}
LAST = {"type": "UpdatePrompt", "prompt": "Be brief.", "of": [{"name": "nobody", "n": 1}, {"n": 2}]}
ORDER = said("Where is my order?")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([PROMPT, PROMPT], id="twice"),
        pytest.param([PROMPT, ORDER, LAST, PROMPT], id="once too often"),
        pytest.param([LAST], id="instead of another one"),
        pytest.param([{**PROMPT, "content": "Ada"}], id="in another field"),
        pytest.param([{**PROMPT, "Ada": 1}], id="as a field"),
        pytest.param([PROMPT, ORDER, {**LAST, "prompt": "I am Ada."}], id="in another text of its type"),
        pytest.param([PROMPT, ORDER, {**LAST, "of": "Ada"}], id="around its place"),
        pytest.param([PROMPT, ORDER, {**LAST, "prompt": {"Ada": "Ada"}}], id="within its place"),
        pytest.param([PROMPT, ORDER, {**LAST, "of": [{"name": "Ada", "n": 1}, {"n": "Ada"}, "Ada"]}], id="elsewhere"),
    ],
)
def test_i9_what_the_hook_scrubs_is_shown_in_no_mismatch(sent: list[Any]) -> None:
    started = player(scrubbed())
    for at_ms, payload in enumerate(sent):
        started.client_said(payload, at_ms)
    shown = found(started)
    assert "Ada" not in f"{shown.what}{shown.differences}"
    assert any("not shown: pytest_dgbudget_scrub" in line for line in shown.differences)


def test_what_is_said_of_a_text_in_which_the_hook_scrubs() -> None:
    started = player(scrubbed())
    started.client_said({**PROMPT, "of": [{"name": "Ada", "n": 2}]}, 1)
    assert found(started).differences == (
        "UpdatePrompt/of/0/n",
        "  expected 1",
        "  sent     (1 byte, not shown: pytest_dgbudget_scrub replaces something in such a message)",
    )
    started = player(scrubbed())
    started.client_said(PROMPT, 1)
    started.client_said({**ORDER, "content": "Where is my parcel?"}, 2)
    assert found(started).differences[2] == '  sent     "Where is my parcel?"'


def test_i9_settings_are_not_shown_where_any_of_the_cassettes_has_them_scrubbed() -> None:
    plain = begun().end()
    events = [
        replace(event, scrubbed=("/agent/greeting",))
        if isinstance(event, CassetteText) and event.payload == SETTINGS
        else event
        for event in plain.events
    ]
    other = {**SETTINGS, "agent": {"greeting": "Hello", "think": {"prompt": "Call me Ada."}}}
    for cassettes in ([plain, replace(plain, events=tuple(events))], [replace(plain, events=tuple(events)), plain]):
        mismatch = choose(cassettes, other, terms())
        assert isinstance(mismatch, Mismatch)
        assert "Ada" not in f"{mismatch.what}{mismatch.differences}"


@pytest.mark.parametrize(
    ("ignore", "helps"),
    [
        ("UpdateThink/think/functions/1/name", True),
        ("UpdateThink/think/functions/*/name", True),
        ("UpdateThink/think/functions", True),
        ("UpdateThink/*", True),
        ("UpdateThink/think/functions/0/name", False),
        ("UpdateThink/think/functions/*/nam", False),
        ("UpdateThink/think/*/name", False),
        ("UpdateSpeak/think", False),
    ],
)
def test_what_is_ignored_may_change(ignore: str, helps: bool) -> None:
    tape = begun()
    tape.client("UpdateThink", think={"functions": [{"name": "a"}, {"name": "b"}]})
    started = player(tape, ignore=(ignore,))
    started.client_said({"type": "UpdateThink", "think": {"functions": [{"name": "a"}, {"name": "c"}]}}, 1)
    assert (started.mismatch is None) == helps


def test_what_is_ignored_may_be_there_or_not() -> None:
    tape = begun()
    tape.client("UpdateThink", think={"a": 1})
    tape.client("UpdateThink", think={})
    started = player(tape, ignore=("UpdateThink/think/a",))
    started.client_said({"type": "UpdateThink", "think": {}}, 1)
    started.client_said({"type": "UpdateThink", "think": {"a": 1}}, 1)
    assert started.mismatch is None


def test_a_type_is_always_compared() -> None:
    tape = begun()
    tape.client("UpdateThink", think=1)
    started = player(tape, ignore=("UpdateThink/*",))
    started.client_said({"type": "UpdateSpeak", "speak": 1}, 1)
    assert "expects UpdateThink next" in found(started).what


# Function calls


def called(*, answers: tuple[int, ...]) -> Tape:
    """Two calls in one request, answered in this order."""
    tape = begun()
    calls = [{"id": f"call-{n}", "name": f"f{n}", "arguments": "{}", "client_side": True} for n in (1, 2)]
    tape.vendor("FunctionCallRequest", functions=calls)
    for n in answers:
        tape.wait(100)
        tape.client("FunctionCallResponse", id=f"call-{n}", name=f"f{n}", content=str(n))
    return tape


def ids_of(played: Any) -> list[str]:
    request = next(message for message in played if message.payload["type"] == "FunctionCallRequest")
    return [call["id"] for call in request.payload["functions"]]


def answer(id_: str, n: int) -> dict[str, str]:
    return {"type": "FunctionCallResponse", "id": id_, "name": f"f{n}", "content": str(n)}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_calls_that_are_open_together_are_answered_in_any_order(order: tuple[int, int]) -> None:
    tape = called(answers=(1, 2))
    tape.vendor("AgentAudioDone")
    started = player(tape)
    ids = ids_of(started.due(0))
    first, second = order
    started.client_said(answer(ids[first - 1], first), 1)
    assert types(started.due(1)) == []
    started.client_said(answer(ids[second - 1], second), 2)
    assert types(started.due(2)) == ["AgentAudioDone"]
    assert started.mismatch is None


def test_ids_are_fresh_in_each_replay_and_have_no_digits() -> None:
    tape = called(answers=(1, 2))
    tape.vendor("History", function_calls=[{"id": "call-1", "response": "call-1 and call-12"}])
    one, other = player(tape), player(tape)
    ids, others = ids_of(one.due(0)), ids_of(other.due(0))
    assert len({*ids, *others}) == 4
    assert not any(character.isdigit() for id_ in ids for character in id_)
    for n, id_ in enumerate(ids, 1):
        one.client_said(answer(id_, n), 1)
    (history,) = one.due(1)
    assert isinstance(history, CassetteText)
    assert history.payload["function_calls"] == [{"id": ids[0], "response": f"{ids[0]} and call-12"}]


def test_the_welcome_has_the_request_id_that_is_known_beforehand() -> None:
    started = Player(PlayableCassette(begun().end()), terms(), "max")
    (welcome,) = started.due(0)
    assert isinstance(welcome, CassetteText)
    other = Player(PlayableCassette(begun().end()), terms(), "max")
    assert welcome.payload["request_id"] == started.request_id != other.request_id


def test_an_id_in_any_other_text_of_the_client_is_the_cassettes() -> None:
    tape = called(answers=(1, 2))
    tape.client("InjectUserMessage", content="call-1 failed")
    started = player(tape)
    ids = ids_of(started.due(0))
    started.client_said(said(f"{ids[0]} failed"), 1)
    assert started.mismatch is None


@pytest.mark.parametrize(
    ("id_", "n", "what"),
    [
        ("nobody's", 1, "The client sent FunctionCallResponse of f1; the cassette expects no such message any more."),
        ("call-1", 1, "The client sent FunctionCallResponse of f1; the cassette expects no such message any more."),
        (None, 2, "The client's FunctionCallResponse of f1 is not the cassette's."),
    ],
)
def test_an_answer_to_another_call_is_found(id_: str | None, n: int, what: str) -> None:
    started = player(called(answers=(1, 2)))
    ids = ids_of(started.due(0))
    started.client_said(answer(id_ or ids[0], n), 1)
    assert found(started).what == what


def test_a_call_is_answered_once() -> None:
    started = player(called(answers=(1, 2)))
    ids = ids_of(started.due(0))
    started.client_said(answer(ids[0], 1), 1)
    started.client_said(answer(ids[0], 1), 1)
    assert "once more" in found(started).what


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("ended_by", ["FunctionCallCancelled", "UserStartedSpeaking"])
def test_a_call_that_was_cancelled_may_be_answered_or_not(answers: bool, ended_by: str) -> None:
    tape = called(answers=(1,))
    tape.vendor(ended_by, functions=[{"id": "call-2", "name": "f2"}])
    tape.vendor("AgentAudioDone")
    started = player(tape)
    ids = ids_of(started.due(0))
    if answers:
        started.client_said(answer(ids[1], 2), 1)
    started.client_said(answer(ids[0], 1), 1)
    assert types(started.due(1)) == [ended_by, "AgentAudioDone"]
    started.client_closed(2)
    assert started.mismatch is None


@pytest.mark.parametrize("answers", [True, False])
def test_an_answer_that_came_too_late_is_not_waited_for(answers: bool) -> None:
    tape = called(answers=(1,))
    tape.vendor("FunctionCallCancelled", functions=[{"id": "call-2", "name": "f2"}])
    tape.client("FunctionCallResponse", id="call-2", name="f2", content="2")
    tape.vendor("AgentAudioDone")
    started = player(tape)
    ids = ids_of(started.due(0))
    started.client_said(answer(ids[0], 1), 1)
    assert types(started.due(1)) == ["FunctionCallCancelled", "AgentAudioDone"]
    if answers:
        started.client_said(answer(ids[1], 2), 2)
    started.client_closed(3)
    assert started.mismatch is None


def test_a_call_that_nobody_answered_must_not_be_answered() -> None:
    started = player(called(answers=(1,)))
    ids = ids_of(started.due(0))
    started.client_said(answer(ids[1], 2), 1)
    assert "expects no such message" in found(started).what


# What a message of the vendor's waits for


def test_a_message_waits_for_each_text_before_it() -> None:
    tape = begun()
    tape.client("InjectUserMessage", content="a")
    tape.client("UpdatePrompt", prompt="b")
    tape.vendor("PromptUpdated")
    started = player(tape)
    assert types(started.due(0)) == ["SettingsApplied"]
    started.client_said(said("a"), 1)
    assert types(started.due(1)) == []
    started.client_said({"type": "UpdatePrompt", "prompt": "b"}, 2)
    assert types(started.due(2)) == ["PromptUpdated"]


def spoken(pieces: int = 20) -> Tape:
    """The user speaks for 10 ms a piece, and is heard at the end."""
    tape = begun()
    speak(tape, pieces)
    return tape


def spoken_twice() -> Tape:
    """The same, and again 3 s later."""
    tape = spoken()
    tape.wait(3000)
    speak(tape, 20)
    return tape


def speak(tape: Tape, pieces: int) -> None:
    for number in range(1, pieces + 1):
        tape.wait(10)
        tape.hear(SPEECH)
        if number == 5:
            tape.vendor("UserStartedSpeaking")
    tape.wait(500)
    tape.vendor("ConversationText", role="user", content="a")
    tape.speak(b"agent")
    tape.wait(100)


@pytest.mark.parametrize(("audio", "waits"), [("exact", True), ("length", True), ("any", False)])
def test_the_users_text_waits_for_their_speech(audio: CassetteAudioRule, waits: bool) -> None:
    started = player(spoken(), audio=audio)
    assert types(started.due(0)) == ["SettingsApplied"]
    started.client_sent_audio(SPEECH * 4, 1)
    assert types(started.due(1)) == ([] if waits else ["UserStartedSpeaking"])
    started.client_sent_audio(SPEECH, 2)
    assert types(started.due(2)) == (["UserStartedSpeaking"] if waits else [])
    started.client_sent_audio(SPEECH * 14, 3)
    assert types(started.due(3)) == []
    started.client_sent_audio(SPEECH, 4)
    assert types(started.due(4)) == ["ConversationText", b"agent"]


def test_under_length_who_has_nearly_said_it_all_has_done_so_after_a_pause() -> None:
    started = player(spoken())
    started.client_sent_audio(SPEECH * 19, 0)
    assert types(started.due(0)) == ["SettingsApplied", "UserStartedSpeaking"]
    assert started.next_at_ms == 10 + 200  # the next piece came 10 ms later
    started.client_sent_audio(SILENCE, 100)
    assert types(started.due(210)) == ["ConversationText", b"agent"]


def test_under_any_a_pause_ends_an_utterance_that_is_shorter() -> None:
    started = player(spoken(), audio="any")
    started.client_sent_audio(SPEECH, 0)
    assert types(started.due(0)) == ["SettingsApplied", "UserStartedSpeaking"]
    assert started.next_at_ms == 10 + 200  # the pieces came 10 ms after one another
    assert types(started.due(210)) == ["ConversationText", b"agent"]


def test_under_any_a_pause_that_was_recorded_within_an_utterance_does_not_end_it() -> None:
    tape = begun()
    tape.hear(SPEECH)
    tape.wait(300)
    tape.hear(SPEECH)
    tape.vendor("UserStartedSpeaking")
    tape.vendor("ConversationText", role="user", content="mhm")
    started = player(tape, audio="any")
    started.client_sent_audio(SPEECH, 0)
    assert types(started.due(300)) == ["SettingsApplied", "UserStartedSpeaking"]
    assert types(started.due(500)) == ["ConversationText"]


def test_under_any_each_utterance_waits_for_some_speech_of_its_own() -> None:
    started = player(spoken_twice(), audio="any")
    started.client_sent_audio(SPEECH * 20, 0)
    assert types(started.due(0))[-1] == b"agent"
    assert started.due(1) == []
    started.client_sent_audio(SPEECH[:2], 2)
    assert types(started.due(2)) == ["UserStartedSpeaking"]


def test_under_any_an_utterance_without_speech_comes_after_a_silence() -> None:
    started = player(spoken_twice(), audio="any")
    started.client_sent_audio(SPEECH * 20, 0)
    assert types(started.due(0))[-1] == b"agent"
    due_ms = 4110 - 200  # since the Settings
    assert started.next_at_ms == due_ms + 1000
    assert types(started.due(due_ms + 1000)) == ["UserStartedSpeaking", "ConversationText", b"agent"]


def test_silence_is_not_waited_for() -> None:
    tape = begun()
    for _ in range(100):
        tape.wait(20)
        tape.hear(SILENCE)
    tape.vendor("UserStartedSpeaking")
    tape.vendor("ConversationText", role="user", content="mhm")
    assert types(player(tape).due(0)) == ["SettingsApplied", "UserStartedSpeaking", "ConversationText"]


def test_other_messages_wait_for_no_speech() -> None:
    tape = begun()
    tape.hear(SPEECH)
    tape.vendor("LatencyReport", stt_latency=0.1)
    tape.vendor("ConversationText", role="assistant", content="Hello")
    assert len(player(tape).due(0)) == 3


# Audio

FORMATS = {
    "linear16": (b"\1\0", b"\0\0"),
    "linear32": (b"\0\0\x80\x3f", b"\0\0\0\x80"),
    "mulaw": (b"\1", b"\xff"),
    "alaw": (b"\1", b"\xd5"),
}


@pytest.mark.parametrize("encoding", FORMATS)
def test_audio_is_compared_without_digital_silence_whatever_the_pieces(encoding: str) -> None:
    sample, nothing = FORMATS[encoding]
    tape = begun(encoding)
    tape.hear(sample * 100 + nothing * 30 + sample)
    tape.vendor("ConversationText", role="user", content="a")
    started = player(tape, audio="exact")
    sent = nothing * 7 + sample * 50 + nothing + sample * 51 + nothing * 9
    for at in range(0, len(sent), 3):
        started.client_sent_audio(sent[at : at + 3], 1)
        started.client_sent_audio(b"", 1)
    assert types(started.due(1)) == ["SettingsApplied", "ConversationText"]
    started.client_closed(2)
    assert started.mismatch is None


def test_of_other_encodings_every_byte_is_compared() -> None:
    tape = begun("opus")
    tape.hear(b"a\0\0b")
    for sent, same in ((b"a\0\0b", True), (b"a\0b", False)):
        started = player(tape, audio="exact")
        started.client_sent_audio(sent, 1)
        assert (started.mismatch is None) == same


def test_exact_finds_the_first_sample_that_differs_at_once() -> None:
    started = player(spoken(), audio="exact")
    started.client_sent_audio(SPEECH * 2, 1)
    started.client_sent_audio(SPEECH[:160] + b"\x07\x07" + SPEECH[162:], 2)
    assert found(started).what == "The user's audio is not the cassette's: it differs after 25ms of speech."


def test_length_finds_too_much_when_it_comes_and_not_before() -> None:
    started = player(spoken())
    started.client_sent_audio(SPEECH * 21, 1)
    assert started.mismatch is None
    started.client_sent_audio(SPEECH[:2], 2)
    assert found(started).what == "The user says more than the cassette has, by more than 5 %."
    assert found(started).differences == (
        "  expected 200ms of speech, without silence",
        "  sent     210ms, and perhaps more",
    )


@pytest.mark.parametrize(("pieces", "same"), [(19, True), (18, False)])
def test_length_finds_too_little_at_the_end(pieces: int, same: bool) -> None:
    tape = begun()
    tape.hear(SPEECH * 20)
    started = player(tape)
    started.due(0)
    started.client_sent_audio(SPEECH * pieces, 1)
    started.client_closed(2)
    assert (started.mismatch is None) == same


def test_any_takes_any_speech() -> None:
    started = player(spoken(), audio="any")
    started.client_sent_audio(SPEECH * 100, 1)
    assert types(started.due(1))[-1] == b"agent"
    started.client_closed(2)
    assert started.mismatch is None


# A client that has stopped


def test_speech_is_waited_for_until_a_second_after_it_was_due() -> None:
    tape = begun()
    tape.wait(10_000)  # the client listens
    tape.hear(SPEECH)
    tape.vendor("ConversationText", role="user", content="a")
    started = player(tape)
    started.due(0)
    due_ms = 10_100  # after the Settings
    assert started.next_at_ms == due_ms + 1000
    for at_ms in range(0, due_ms + 1000, 100):
        started.client_sent_audio(SILENCE, at_ms)
        started.client_said({"type": "KeepAlive"}, at_ms)
        started.due(at_ms)
    assert started.mismatch is None
    started.due(due_ms + 1000)
    assert found(started).what == (
        "The client sends nothing but silence; the cassette expects more of the user's speech before "
        'ConversationText "a".'
    )
    assert found(started).differences == ("  expected 10ms of speech, without silence", "  sent     0s")


def test_a_text_is_waited_for_twice_as_long_as_it_took_and_some_more() -> None:
    tape = begun()
    tape.wait(400)
    tape.client("InjectUserMessage", content="a")
    started = player(tape)
    started.due(0)
    due_ms, took_ms = 500, 400  # it was said 500 ms after the Settings, and 400 ms after SettingsApplied
    assert started.next_at_ms == due_ms + took_ms + 1500
    started.due(due_ms + took_ms + 1499)
    assert started.mismatch is None
    started.due(due_ms + took_ms + 1500)
    assert found(started).what == (
        "The client has not sent InjectUserMessage within 2.4s; in the recording it came 400ms after SettingsApplied."
    )


def test_what_was_waited_for_came_after_the_agents_audio_or_a_text_of_the_client_in_the_recording() -> None:
    spoke, said_before = begun(), begun()
    spoke.speak(b"agent")
    for tape, before in ((spoke, "the agent's audio"), (said_before, "InjectUserMessage")):
        if tape is said_before:
            tape.client("InjectUserMessage", content="a")
        tape.wait(10)
        tape.client("UpdatePrompt", prompt="a")
        tape.vendor("PromptUpdated")
        started = player(tape)
        if tape is said_before:
            started.client_said(said("a"), 1)
        started.due(1)
        started.due(10_000)
        assert found(started).what.endswith(f"; in the recording it came 10ms after {before}.")


def test_a_slow_answer_is_waited_for_as_long_as_its_call_took() -> None:
    tape = begun()
    calls = [{"id": "call-1", "name": "f", "arguments": "{}", "client_side": True}]
    tape.vendor("FunctionCallRequest", functions=calls)
    tape.wait(5000)
    tape.client("FunctionCallResponse", id="call-1", name="f", content="")
    started = player(tape)
    started.due(0)
    assert started.next_at_ms == 5000 + 100 + 5000 + 1500
    started.due(5000 + 100 + 5000 + 1500)
    assert found(started).what == (
        "The client has not sent FunctionCallResponse of f within 11.6s; in the recording it came 5s after its "
        "FunctionCallRequest."
    )


@pytest.mark.parametrize(
    ("pieces", "heard_ms", "at_the_latest_ms", "at_the_earliest_ms"),
    [(19, 210, 4110, 490), (21, 0, 4130, 500)],
)
def test_who_may_be_5_percent_ahead_or_behind_is_waited_for_as_long(
    pieces: int, heard_ms: int, at_the_latest_ms: int, at_the_earliest_ms: int
) -> None:
    started = player(spoken_twice())
    started.client_sent_audio(SPEECH * pieces, 0)
    started.due(0)
    assert len(started.due(heard_ms)) == (2 if heard_ms else 0)
    assert started.next_at_ms == at_the_latest_ms - at_the_earliest_ms + 1000


def test_under_any_nobody_knows_where_in_the_recording_a_client_is() -> None:
    tape = spoken()
    tape.wait(5000)
    tape.client("InjectUserMessage", content="a")
    started = player(tape, audio="any")
    started.client_sent_audio(SPEECH * 20, 0)
    started.due(0)
    due_ms, took_ms = 6100 - 200, 6100 - 1000
    assert started.next_at_ms == due_ms + took_ms + 1500


def test_a_client_that_was_early_is_waited_for_since_the_vendor_answered() -> None:
    tape = begun()
    tape.wait(8700)
    tape.vendor("AgentAudioDone")
    tape.client("InjectUserMessage", content="a")
    tape.vendor("ConversationText", role="user", content="a")
    tape.wait(3000)
    tape.client("InjectUserMessage", content="b")
    started = Player(PlayableCassette(tape.end()), terms(), "vendor")
    started.client_said(SETTINGS, 0)
    started.client_said(said("a"), 0)
    assert types(started.due(10_000))[-1] == "ConversationText"
    answered_ms = 8800  # a Welcome that comes 100 ms after the dial, and 8700 ms
    assert started.next_at_ms == answered_ms + 3000 + 3000 + 1500


def test_an_early_answer_does_not_hurry_what_the_client_does_beside_it() -> None:
    tape = begun()
    tape.wait(3000)
    calls = [{"id": "call-1", "name": "f", "arguments": "{}", "client_side": True}]
    tape.vendor("FunctionCallRequest", functions=calls)
    tape.wait(100)
    tape.client("FunctionCallResponse", id="call-1", name="f", content="")
    tape.wait(400)
    tape.hear(SPEECH)
    tape.vendor("UserStartedSpeaking")
    started = player(tape)
    (id_,) = ids_of(started.due(0)[1:])
    started.client_said({"type": "FunctionCallResponse", "id": id_, "name": "f", "content": ""}, 100)
    started.due(100)
    assert started.next_at_ms == 3000 + 100 + 400 + 100 + 1000  # since the Settings


def test_an_answer_is_waited_for_since_its_call() -> None:
    tape = begun()
    calls = [{"id": "call-1", "name": "f", "arguments": "{}", "client_side": True}]
    tape.vendor("FunctionCallRequest", functions=calls)
    tape.wait(4000)
    tape.client("InjectUserMessage", content="a")
    tape.vendor("ConversationText", role="user", content="a")
    tape.wait(1000)
    tape.client("FunctionCallResponse", id="call-1", name="f", content="")
    started = player(tape)
    started.client_said(said("a"), 0)
    started.due(0)
    assert started.next_at_ms == 5000 + 5000 + 1500


def test_a_client_that_speaks_is_not_silent() -> None:
    started = player(spoken(pieces=200))
    for at_ms in range(0, 90_000, 900):
        started.client_sent_audio(SPEECH[:160], at_ms)
        started.due(at_ms)
    assert started.mismatch is None


# The end


def test_what_is_left_over_when_the_client_closes_is_a_mismatch() -> None:
    tape = begun()
    tape.client("InjectUserMessage", content="a")
    tape.vendor("ConversationText", role="assistant", content="b")
    started = player(tape)
    started.client_closed(1)
    assert found(started) == Mismatch(
        cassette="cassettes/test_it.py/test_it/1",
        line=3,
        what="The client closed before the agent had sent SettingsApplied.",
        differences=("  line 3: SettingsApplied", "  line 4: InjectUserMessage", '  line 5: ConversationText "b"'),
        kind="left-over",
    )


def test_a_client_that_closes_before_the_user_has_spoken_is_told_so() -> None:
    started = player(spoken())
    started.due(0)
    started.client_sent_audio(SPEECH * 9, 1)
    started.due(1)
    started.client_closed(1)
    assert found(started) == Mismatch(
        cassette="cassettes/test_it.py/test_it/1",
        line=5,
        what=(
            "The client closed before it had sent all of the user's speech; the cassette expects more of the user's "
            'speech before ConversationText "a".'
        ),
        differences=("  expected 200ms of speech, without silence", "  sent     90ms"),
        kind="left-over",
        allowed_by=("any",),
    )


def test_agent_audio_and_what_races_with_the_close_may_be_left_over() -> None:
    tape = begun()
    tape.wait(1000)
    tape.speak(b"agent")
    for kind in ("AgentAudioDone", "History", "LatencyReport", "EndOfTurn", "UserStartedSpeaking"):
        tape.vendor(kind)
    started = player(tape, pace="vendor")
    started.due(500)
    started.client_closed(500)
    assert started.mismatch is None
    assert started.replayed_ms == tape.at_ms


def test_the_vendors_close_comes_last_and_as_recorded() -> None:
    tape = begun()
    tape.vendor("Error", code="X", description="")
    tape.wait(70)
    started = player(tape.end("server", None, "bye"), pace="vendor")
    assert types(started.due(150)) == ["Welcome", "SettingsApplied", "Error"]
    assert (started.close, started.next_at_ms) == (None, 270 - 100)
    started.due(170)
    assert started.close == RecordedClose(1005, "bye")
    assert (started.next_at_ms, started.replayed_ms) == (None, 370)


def test_nothing_more_is_played_after_a_mismatch() -> None:
    started = player(spoken())
    started.client_said(said("a"), 1)
    mismatch = found(started)
    started.client_sent_audio(SPEECH * 99, 2)
    started.client_said(said("b"), 2)
    assert (started.due(3), started.next_at_ms) == ([], None)
    started.client_closed(4)
    assert started.mismatch is mismatch


# Pace


def test_at_pace_vendor_a_message_comes_as_long_after_its_last_cause_as_recorded() -> None:
    tape = begun()
    tape.wait(3000)
    tape.client("InjectUserMessage", content="a")
    tape.wait(700)
    tape.vendor("ConversationText", role="user", content="a")
    started = Player(PlayableCassette(tape.end()), terms(), "vendor")
    started.client_said(SETTINGS, 0)
    assert types(started.due(5000)) == ["Welcome", "SettingsApplied"]
    started.client_said(said("a"), 1000)
    assert started.next_at_ms == 1700


def test_at_pace_vendor_the_agent_answers_as_long_after_the_speech_as_recorded() -> None:
    started = Player(PlayableCassette(spoken().end()), terms(), "vendor")
    started.client_said(SETTINGS, 0)
    started.due(1000)
    started.client_sent_audio(SPEECH * 20, 2000)
    assert types(started.due(2000)) == ["UserStartedSpeaking"]
    assert started.next_at_ms == 2500


def test_who_asks_late_each_time_makes_nothing_later() -> None:
    tape = begun()
    for _ in range(1000):
        tape.wait(20)
        tape.speak(b"agent")
    started = Player(PlayableCassette(tape.end()), terms(), "vendor")
    started.client_said(SETTINGS, 200)
    at_ms = 0.0
    while started.next_at_ms is not None and started.replayed_ms < tape.at_ms:
        at_ms = started.next_at_ms + 3
        started.due(at_ms)
    assert at_ms == tape.at_ms + 3


def test_a_minute_of_audio_both_ways_takes_little() -> None:
    tape = begun()
    for _ in range(60):
        for _ in range(50):
            tape.wait(20)
            tape.hear(SPEECH + SILENCE)
        tape.vendor("ConversationText", role="user", content="a")
        for _ in range(50):
            tape.wait(20)
            tape.speak(SPEECH)
    cassette = tape.end()
    began = time.process_time()
    started, played = player(cassette, audio="exact"), 0
    for at_ms in range(60 * 50):
        started.client_sent_audio(SPEECH + SILENCE, at_ms)
        played += len(started.due(at_ms))
        assert started.next_at_ms is None or started.next_at_ms > at_ms
    assert played == 1 + 60 * 51
    assert time.process_time() - began < 1.5  # some 0.15 s


def test_replayed_time_is_that_of_the_furthest_message() -> None:
    started = player(spoken())
    started.due(0)
    assert started.replayed_ms == 300
    started.client_sent_audio(SPEECH * 20, 1)
    started.due(1)
    assert started.replayed_ms == 1000


# Which cassette


def with_greeting(greeting: str) -> dict[str, Any]:
    return {"type": "Settings", "agent": {"greeting": greeting, "think": {"prompt": "Be brief."}}}


def cassette_of(settings: Any, *, folder: str = "1") -> Cassette:
    tape = Tape()
    tape.vendor("Welcome", request_id="request-1")
    tape.text(CLIENT, settings)
    tape.vendor("SettingsApplied")
    cassette = tape.end()
    return replace(cassette, folder=cassette.folder.with_name(folder))


def test_the_first_cassette_whose_settings_match_is_chosen() -> None:
    cassettes = [cassette_of(with_greeting(word), folder=word) for word in ("a", "b", "b")]
    assert choose(cassettes, with_greeting("b"), terms()) is cassettes[1]
    assert choose(cassettes, with_greeting("x"), terms(ignore=("Settings/agent/greeting",))) is cassettes[0]


def test_without_a_match_the_nearest_is_shown() -> None:
    far = {"type": "Settings", "agent": {}}
    cassettes = [cassette_of(far, folder="1"), cassette_of(with_greeting("a"), folder="2")]
    assert choose(cassettes, with_greeting("b"), terms()) == Mismatch(
        cassette="cassettes/test_it.py/test_it/2",
        line=2,
        what="The client's Settings are not those of any of 2 cassettes; this is the nearest.",
        differences=("Settings/agent/greeting", '  expected "a"', '  sent     "b"'),
        kind="content",
        allowed_by=("Settings/agent/greeting",),
    )


def test_another_cassette_goes_on_from_the_same_welcome() -> None:
    one, other = cassette_of(with_greeting("a")), cassette_of(with_greeting("b"))
    started = Player(PlayableCassette(one), terms(), "max")
    (welcome,) = started.due(0)
    started.use(PlayableCassette(other))
    assert types(started.due(1)) == []
    started.client_said(with_greeting("b"), 2)
    assert types(started.due(2)) == ["SettingsApplied"]
    assert isinstance(welcome, CassetteText)
    assert welcome.payload["request_id"] == started.request_id


# Whatever a client sends


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "Settings",
        17,
        {},
        {"type": None},
        {"type": ["Settings"]},
        {"type": "FunctionCallResponse", "id": 7},
        {"type": "FunctionCallResponse", "id": "call-1"},
        {"type": "(not JSON)", "text": "{"},
        {"type": "\x1b[31m\u202e\ud800", "x": "\x9b"},
        {"type": "x" * 100_000},
        {"type": "UpdatePrompt", "prompt": "x" * 1_000_000},
        {"type": "UpdatePrompt", "prompt": float("nan")},
        {"type": "UpdatePrompt", "prompt": {str(n): n for n in range(10_000)}},
    ],
)
def test_whatever_is_sent_is_told_in_few_readable_lines(payload: Any) -> None:
    tape = begun()
    tape.client("UpdatePrompt", prompt="a")
    started = player(tape)
    started.client_said(payload, 1)
    told = [found(started).what, *found(started).differences]
    assert len(told) <= 21
    assert all(line.isprintable() and len(line) < 400 for line in told)


def test_however_deep_json_is_it_is_compared() -> None:
    deep: Any = 1
    for _ in range(20_000):
        deep = [deep]
    tape = begun()
    tape.client("UpdatePrompt", prompt=[[1]])
    started = player(tape)
    started.client_said({"type": "UpdatePrompt", "prompt": deep}, 1)
    assert found(started).differences[0].startswith("UpdatePrompt/prompt/0/0")


def test_audio_before_the_settings_is_taken() -> None:
    started = Player(PlayableCassette(spoken().end()), terms("exact"), "max")
    started.client_sent_audio(SPEECH, 0)
    assert types(started.due(0)) == ["Welcome"]
    started.use(PlayableCassette(spoken().end()))
    started.client_said(SETTINGS, 1)
    started.client_sent_audio(SPEECH * 19, 1)
    assert types(started.due(1))[-1] == b"agent"


# How differences are shown


@pytest.mark.parametrize(
    ("recorded", "sent", "lines"),
    [
        ({"a": 1}, {"a": 2}, ("X/x/a", "  expected 1", "  sent     2")),
        ({"a": 1}, {}, ("X/x/a", "  expected 1", "  sent     nothing")),
        ({}, {"a/b~": 1}, ("X/x/a~1b~0", "  expected nothing", "  sent     1")),
        ('{"a":"b"}', '{"a": "c"}', ("X/x", '  expected {"a": "b"}', '  sent     {"a": "c"}')),
        ('["a"]', '"b', ("X/x", '  expected "[\\"a\\"]"', '  sent     "\\"b"')),
        ('{"a":1}', '{"a": 1}', ("X/x", '  expected "{\\"a\\":1}"', '  sent     "{\\"a\\": 1}"')),
        ([1], [1, {"b": 2}], ("X/x/1", "  expected nothing", '  sent     {"b": 2}')),
        (
            "begin " * 50 + "old" + " end" * 50,
            "begin " * 50 + "new" + " end" * 50,
            (
                "X/x",
                "  expected …begin begin begin begin old end end end end end end…",
                "  sent     …begin begin begin begin new end end end end end end…",
            ),
        ),
    ],
)
def test_a_difference_is_a_pointer_and_two_values(recorded: Any, sent: Any, lines: tuple[str, ...]) -> None:
    tape = begun()
    tape.client("X", x=recorded)
    started = player(tape)
    started.client_said({"type": "X", "x": sent}, 1)
    assert found(started).differences == lines


def test_many_differences_are_counted() -> None:
    tape = begun()
    tape.text(CLIENT, {"type": "X", **{f"k{n}": 1 for n in range(20)}})
    started = player(tape)
    started.client_said({"type": "X", **{f"k{n}": 2 for n in range(20)}}, 1)
    assert len(found(started).differences) == 19
    assert found(started).differences[-1] == "… and 14 more: X/k6, X/k7, X/k8, X/k9, X/k10, X/k11, …"


# What would have let it pass


@pytest.mark.parametrize(
    ("recorded", "sent", "kind", "allowed_by"),
    [
        (said("a"), said("b"), "content", ("InjectUserMessage/content",)),
        (said("a"), {**said("b"), "x/y": 1}, "content", ("InjectUserMessage/content", "InjectUserMessage/x~1y")),
        (said("a"), {**said("b"), **{f"k{n}": n for n in range(3)}}, "content", ()),
        (said("a"), {**said("a"), "k" * 1000: 1}, "content", ()),
        (said("a"), {**said("a"), "x\n": 1}, "messages", ()),
        ({"type": "(not JSON)", "text": "a"}, {"type": "(not JSON)", "text": "b"}, "messages", ()),
        (said("a"), {"type": "UpdatePrompt", "prompt": "b"}, "messages", ()),
        ("a", "b", "messages", ()),
    ],
)
def test_only_what_can_be_ignored_is_named_for_it(
    recorded: Any, sent: Any, kind: str, allowed_by: tuple[str, ...]
) -> None:
    tape = begun()
    tape.text(CLIENT, recorded)
    started = player(tape)
    started.client_said(sent, 1)
    assert (found(started).kind, found(started).allowed_by) == (kind, allowed_by)
    if allowed_by:
        again = player(tape, ignore=allowed_by)
        again.client_said(sent, 1)
        assert again.mismatch is None


def test_of_other_audio_the_rules_are_named_that_take_it() -> None:
    for audio, sent, allowed_by in (
        ("exact", SPEECH[:-2] + b"xx", ("length", "any")),
        ("length", SPEECH * 99, ("any",)),
    ):
        started = player(spoken(), audio=audio)  # type: ignore[arg-type]
        started.client_sent_audio(sent, 1)
        assert (found(started).kind, found(started).allowed_by) == ("audio", allowed_by)
    silent = player(spoken())
    silent.due(0)
    silent.client_closed(1)
    assert (found(silent).kind, found(silent).allowed_by) == ("left-over", ()), (
        "under any some speech is awaited as well"
    )


# Long sessions


def long_answer() -> Tape:
    tape = begun()
    for _ in range(1000):
        tape.speak(b"agent")
    tape.vendor("ConversationText", role="assistant", content="That was it.")
    return tape


def test_what_is_due_comes_in_parts_so_that_a_loop_waits_for_none_long() -> None:
    started = player(long_answer())
    parts = [started.due(1)]
    while started.next_at_ms is not None and started.next_at_ms <= 1:
        parts.append(started.due(1))
    assert max(map(len, parts)) == 64
    assert sum(map(len, parts)) == 1002


def test_a_client_that_closes_meanwhile_has_left_out_nothing() -> None:
    started = player(long_answer())
    started.due(1)
    started.client_closed(2)
    assert started.mismatch is None


def test_of_two_replays_of_one_cassette_each_waits_for_its_own_client() -> None:
    playable = PlayableCassette(begun().end())
    one, other = Player(playable, terms(), "max"), Player(playable, terms(), "max")
    for each in (one, other):
        each.due(0)
    one.client_said(SETTINGS, 1)
    assert (types(one.due(1)), types(other.due(1))) == (["SettingsApplied"], [])
