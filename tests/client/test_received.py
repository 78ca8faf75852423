"""What a session has received: in order, with times, audio in its place."""

from __future__ import annotations

import json

import pytest

from pytest_dgbudget.client.received import AgentAudio, Received

SETTINGS = {"audio": {"output": {"encoding": "linear16", "sample_rate": 8_000}}, "agent": {}}


def taken(*came: str | bytes, settings: object = SETTINGS) -> Received:
    """Take messages by their types, and audio, one each second."""
    received = Received(settings if isinstance(settings, dict) else {})
    for second, each in enumerate(came):
        if isinstance(each, bytes):
            received.take_audio(each, float(second))
        else:
            received.take_text(json.dumps({"type": each}), float(second))
    return received


def shown(received: Received, start: int = 0) -> list[str]:
    return [
        each.data.decode() if isinstance(each, AgentAudio) else f"{each.type}@{each.at:g}"
        for each in received.timeline(start)
    ]


def test_audio_stands_where_it_came_and_frames_without_a_message_between_them_are_one() -> None:
    received = taken(b"a", "One", b"b", b"c", "Two", "Three", b"d")
    assert shown(received) == ["a", "One@1", "bc", "Two@4", "Three@5", "d"]
    audio = [each for each in received.timeline() if isinstance(each, AgentAudio)]
    assert [(each.at, each.until) for each in audio] == [(0, 0), (2, 3), (6, 6)]


def test_a_part_of_it_begins_with_a_message() -> None:
    received = taken(b"a", "One", b"b", "Two", b"c")
    assert shown(received, 1) == ["Two@3", "c"]
    assert shown(received, 2) == ["c"]


def test_audio_of_a_part_is_what_came_between_its_messages() -> None:
    received = taken(b"a", "One", b"b", "Two", b"c", "Three", b"d")
    assert received.audio_between(received.frames_before(0), received.frames_before(2)) == b"bc"
    assert received.audio_between(1, 1) == b""
    assert received.audio_between(0, received.frames) == received.audio == b"abcd"


def test_how_long_audio_plays_is_known_but_for_compressed_encodings() -> None:
    (audio,) = taken(bytes(16_000)).timeline()
    assert isinstance(audio, AgentAudio)
    assert audio.seconds == 1.0
    assert repr(audio) == "AgentAudio(at=0.00, until=0.00, 1.0 s)"
    (opus,) = taken(bytes(10), settings={"audio": {"output": {"encoding": "opus"}}}).timeline()
    assert isinstance(opus, AgentAudio)
    assert opus.seconds is None
    assert repr(opus) == "AgentAudio(at=0.00, until=0.00, 10 bytes)"


def test_a_text_that_is_no_message_is_kept() -> None:
    received = Received({})
    message = received.take_text("no JSON", 1.5)
    assert (message.type, message.data, message.at) == ("", {"unparsable": "no JSON"}, 1.5)


@pytest.mark.parametrize(("greeting", "due"), [("Hello!", True), ("", False), (None, False)])
def test_a_greeting_is_due_when_settings_are_applied(greeting: object, due: bool) -> None:
    received = taken("Welcome", "SettingsApplied", settings={"agent": {"greeting": greeting}})
    assert received.heard.more_is_to_come(0.0) is due
    assert taken("SettingsApplied", settings={"agent": "an id"}).heard.more_is_to_come(0.0) is False
