"""What a session's own messages say of it, and the only one that is changed as it passes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.events import LatencyReported, TierChanged, TurnEnded
from pytest_dgbudget.gateway.frames import BINARY, frame
from pytest_dgbudget.gateway.relay import LONGEST_SETTINGS
from pytest_dgbudget.gateway.services.deepgram_conversation import Conversation
from pytest_dgbudget.rules.audio import AudioFormat
from tests.rules.strategies import VALUES, json_texts

from . import conversations
from .conversations import Told
from .memory import ManualClock

TAG = "dgbudget-run"


def said(type_: str, **fields: Any) -> bytes:
    return json.dumps({"type": type_, **fields}).encode()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def conversation(told: Told) -> Conversation:
    return conversations.conversation(told, tag=TAG)


def test_the_first_settings_gain_the_runs_tag_and_later_ones_pass_as_they_are(conversation: Conversation) -> None:
    settings = said("Settings", tags=["smoke"], agent={})
    passed = json.loads(conversation.client_said(settings))
    assert passed == {"type": "Settings", "tags": ["smoke", TAG], "agent": {}}
    assert conversation.configured
    assert conversation.client_said(settings) == settings


@pytest.mark.parametrize(
    "text",
    [said("KeepAlive"), said("Mystery", tags=[]), b"no JSON", b"[1]", b"\xff", b"[" * 100_000],
    ids=["known", "unknown", "no JSON", "a list", "no text", "a deep one"],
)
def test_whatever_else_a_client_says_passes_to_the_byte(conversation: Conversation, text: bytes) -> None:
    assert conversation.client_said(text) == text
    assert not conversation.configured


def test_a_session_is_tagged_when_the_vendor_took_its_settings(conversation: Conversation) -> None:
    conversation.client_said(said("Settings", agent={}))
    assert not conversation.tagged
    conversation.vendor_said(said("SettingsApplied"))
    assert conversation.tagged


def test_a_session_whose_settings_had_no_room_for_the_tag_is_not_tagged(conversation: Conversation) -> None:
    settings = said("Settings", tags="not a list")
    assert conversation.client_said(settings) == settings
    conversation.vendor_said(said("SettingsApplied"))
    assert not conversation.tagged


def test_the_first_welcome_names_the_session(conversation: Conversation, told: Told) -> None:
    for request_id in ("one", "two"):
        conversation.vendor_said(said("Welcome", request_id=request_id))
    assert (conversation.request_id, told.welcomes) == ("one", ["one"])


def test_the_settings_tell_how_audio_becomes_time(conversation: Conversation) -> None:
    audio = {
        "input": {"encoding": "mulaw", "sample_rate": 8000},
        "output": {"encoding": "linear16", "sample_rate": 48_000},
    }
    before = AudioFormat()
    assert (conversation.audio_in, conversation.audio_out) == (before, before)
    conversation.client_said(said("Settings", audio=audio))
    assert conversation.audio_in != before
    assert conversation.audio_out not in (before, conversation.audio_in)


def called(**fields: Any) -> bytes:
    call = {"id": "f1", "name": "book", "arguments": "{}", "client_side": True, **fields}
    return said("FunctionCallRequest", functions=[call])


@pytest.mark.parametrize(
    "ends",
    [
        lambda conversation: conversation.client_said(said("FunctionCallResponse", id="f1", content="done")),
        lambda conversation: conversation.vendor_said(said("FunctionCallCancelled", functions=[{"id": "f1"}])),
    ],
    ids=["answered", "cancelled"],
)
def test_a_function_call_waits_for_the_client_until_it_is_answered_or_cancelled(
    conversation: Conversation, ends: Any
) -> None:
    conversation.vendor_said(called())
    assert conversation.waits_for_client
    ends(conversation)
    assert not conversation.waits_for_client


def test_a_function_that_the_vendor_calls_itself_does_not_wait_for_the_client(conversation: Conversation) -> None:
    conversation.vendor_said(called(client_side=False))
    assert not conversation.waits_for_client


@pytest.mark.parametrize("text", [b"no JSON", b"[]", said("Welcome"), said("FunctionCallCancelled", functions=7)])
def test_what_the_vendor_says_otherwise_changes_nothing(conversation: Conversation, told: Told, text: bytes) -> None:
    conversation.vendor_said(text)
    assert (conversation.request_id, told.welcomes, conversation.waits_for_client) == (None, [], False)


@pytest.mark.parametrize(
    ("text", "moves"), [(said("KeepAlive"), False), (said("InjectUserMessage", content="hi"), True), (b"x", True)]
)
def test_a_keep_alive_alone_does_not_count_as_movement(conversation: Conversation, text: bytes, moves: bool) -> None:
    conversation.last_moved_ms = 0
    conversation.client_said(text)
    assert (conversation.last_moved_ms > 0) == moves
    conversation.vendor_said(said("Welcome", request_id="r"))
    assert conversation.last_moved_ms > 0


HEAD, LONGEST = b'{"type": "Settings", "x": 1', LONGEST_SETTINGS
DENSE = {
    "blanks": HEAD + b" " * LONGEST + b"}",
    "blanks before the first key": b"{" + b" " * LONGEST + HEAD[1:] + b"}",
    "fields": HEAD + b',"x":1' * (LONGEST // 6) + b"}",
    "tags": HEAD + b',"tags":[' + b"[]," * (LONGEST // 3) + b"1]}",
    "objects": HEAD + b',"y":[' + b'{"a":[]},' * (LONGEST // 9) + b"1]}",
    "nested": HEAD + b',"y":' + b"[" * LONGEST,
    "digits": HEAD + b',"y":' + b"1" * LONGEST + b"}",
}


@pytest.mark.parametrize("text", DENSE.values(), ids=DENSE)
def test_no_text_that_is_read_takes_as_long_as_the_margin_of_a_cut(conversation: Conversation, text: bytes) -> None:
    """Aimed at are milliseconds."""
    text = text[:LONGEST]
    times = []
    for _ in range(3):
        begun = time.process_time()
        conversations.conversation(tag=TAG).client_said(text)
        times.append(time.process_time() - begun)
    assert min(times) < 0.2
    assert conversation.client_said(HEAD + b"}") != HEAD + b"}"


def test_settings_with_too_many_fields_to_look_through_pass_without_the_tag(conversation: Conversation) -> None:
    settings = b'{"type": "Settings"' + b',"x":1' * 2000 + b"}"
    assert conversation.client_said(settings) == settings
    conversation.vendor_said(said("SettingsApplied"))
    assert not conversation.tagged


def test_how_long_audio_plays_is_unknown_once_settings_may_have_passed_unread(conversation: Conversation) -> None:
    assert conversation.audio_ms(in_bytes=48_000, out_bytes=0) == (1000, 0)
    conversation.client_said_too_much()
    assert conversation.audio_ms(in_bytes=48_000, out_bytes=0) == (None, 0)


ANY_OBJECT = st.dictionaries(
    st.sampled_from(["functions", "request_id", "id", "code", "description", "tags", "audio", "content", "role"]),
    VALUES | st.dictionaries(st.sampled_from(["input", "output", "id", "sample_rate", "encoding"]), VALUES),
)
TYPES = ["Welcome", "SettingsApplied", "FunctionCallRequest", "FunctionCallCancelled", "Warning", "Error", "Odd\ud800"]


@given(st.lists(st.tuples(st.sampled_from(TYPES) | VALUES, ANY_OBJECT), max_size=4), json_texts(VALUES | ANY_OBJECT))
def test_whatever_json_either_side_sends_is_survived(vendors: list[tuple[Any, Any]], text: str) -> None:
    conversation = conversations.conversation(tag=TAG)
    for kind, fields in vendors:
        conversation.vendor_said(json.dumps({**fields, "type": kind}).encode())
    conversation.client_said(text.encode("utf-8", "replace"))
    for kind in ("FunctionCallResponse", "Settings"):
        for _, fields in vendors:
            conversation.client_said(json.dumps({**fields, "type": kind}).encode())
    conversation.audio_ms(in_bytes=1, out_bytes=1)


def rates(told: Told) -> list[tuple[str | None, bool]]:
    return [(event.tier, event.estimated) for event in told.events if isinstance(event, TierChanged)]


STANDARD = {"think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}, "speak": {}}


def test_only_what_changes_the_price_is_told(conversation: Conversation, told: Told) -> None:
    conversation.client_said(said("Settings", agent=STANDARD))
    for _ in range(10):
        conversation.client_said(said("UpdateSpeak", speak={"provider": {"type": "deepgram"}}))
    assert rates(told) == [("standard", False)]


@pytest.mark.parametrize(
    "text",
    [
        b'{"type": "UpdateThink", "think": {"x": ' + b"9" * 5000 + b"}}",
        b"no JSON",
        b"[1]",
        b'{"type": "UpdateThink"',
    ],
    ids=["a long number", "no JSON", "a list", "torn"],
)
def test_after_a_message_that_cannot_be_read_the_highest_price_counts(
    conversation: Conversation, told: Told, text: bytes
) -> None:
    conversation.client_said(said("Settings", agent=STANDARD))
    conversation.client_said(text)
    assert rates(told) == [("standard", False), (None, True)]


@pytest.mark.parametrize("rate", [10**400, 10**9, 100, 0, -1, True, 16_000.5, "16000"])
def test_audio_of_an_odd_rate_is_not_read_and_ends_nothing(told: Told, rate: Any) -> None:
    clock = ManualClock()
    conversation = conversations.conversation(told, clock=clock)
    conversation.client_said(said("Settings", audio={"input": {"encoding": "linear16", "sample_rate": rate}}))
    conversation.client_audio(Chunk(clock.now_ms(), frame(BINARY, bytes(960), mask=True)))
    conversation.vendor_said(said("ConversationText", role="user", content="hello"))
    clock.advance(1000)
    conversation.ended(cut=False)
    assert not conversation.is_reading
    (turn,) = (event.turn for event in told.events if isinstance(event, TurnEnded))
    assert turn.since == "transcript"


def test_each_report_with_a_total_is_noted_and_nonsense_is_not(conversation: Conversation, told: Told) -> None:
    for fields in ({"stt_latency": 0.1}, {"total_latency": 1.5}, {"total_latency": "1"}, {"total_latency": 10**400}):
        conversation.vendor_said(said("LatencyReport", **fields))
    conversation.vendor_said(b'{"type": "LatencyReport", "total_latency": NaN}')
    conversation.vendor_said(said("LatencyReport", total_latency=0.25, tts_latency=0.1))
    conversation.closing()
    conversation.vendor_said(said("LatencyReport", total_latency=3))
    assert [event.vendor_ms for event in told.events if isinstance(event, LatencyReported)] == [1500, 250]


def test_what_the_vendor_says_once_the_end_has_begun_makes_no_turn_and_answers_none(
    conversation: Conversation, told: Told
) -> None:
    conversation.client_said(said("InjectUserMessage", content="hello"))
    conversation.closing()
    conversation.vendor_audio(1, 960)
    conversation.vendor_said(said("ConversationText", role="user", content="and this"))
    conversation.vendor_said(said("Welcome", request_id="late"))
    conversation.ended(cut=True)
    (turn,) = (event.turn for event in told.events if isinstance(event, TurnEnded))
    assert turn.answered_ms is None
    assert conversation.request_id == "late"
