"""When is a reply complete, and what belongs to it?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.client.turns import Turn, end_of_turn, taken_up_speech, taken_up_text, words
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.vendor_messages import FunctionCallRequest, Message, parse


def message(kind: str, **fields: Any) -> Message:
    return parse(json.dumps({"type": kind, **fields}))


def said(role: str, content: str) -> Message:
    return message("ConversationText", role=role, content=content)


def end_of(messages: list[Message], greeting: str = "") -> int | None:
    return end_of_turn(messages, taken_up_text(messages, "hi", greeting))


def reply_in(messages: list[Message], greeting: str = "") -> str:
    return words(messages[taken_up_text(messages, "hi", greeting) :], "assistant")


HI, OTHER = said("user", "hi"), said("user", "something else")
HELLO, AGAIN = said("assistant", "Hello."), said("assistant", "How are you?")
THINKING, SPEAKING, DONE = message("AgentThinking"), message("AgentStartedSpeaking"), message("AgentAudioDone")
CALL = message("FunctionCallRequest", functions=[{"id": "1", "name": "f", "arguments": "{}", "client_side": True}])
UNKNOWN = message("SomethingNew")


def test_the_call_is_one() -> None:
    assert isinstance(CALL, FunctionCallRequest)


@pytest.mark.parametrize(
    ("messages", "reply"),
    [
        ([HI, HELLO, DONE], "Hello."),
        ([HI, THINKING, HELLO, SPEAKING, AGAIN, UNKNOWN, DONE], "Hello. How are you?"),
        ([HELLO, HI, DONE, AGAIN, DONE], "How are you?"),
        ([HI, DONE, HELLO, DONE], "Hello."),
        ([HI, HELLO, CALL, AGAIN, DONE], "Hello. How are you?"),
        ([HI, CALL, DONE, HELLO, DONE], "Hello."),
        ([HELLO, DONE], "Hello."),
        ([OTHER, HELLO, DONE], "Hello."),
    ],
    ids=[
        "the shortest",
        "in sentences",
        "after a greeting whose audio was still coming",
        "after audio from before",
        "words before a function call are not the last",
        "a function call first",
        "an agent that does not echo",
        "another's words are no echo",
    ],
)
def test_a_turn_is_complete_when_the_audio_after_the_agents_words_ends(messages: list[Message], reply: str) -> None:
    assert end_of(messages) == len(messages)
    assert reply_in(messages) == reply
    assert [end_of(messages[:length]) for length in range(len(messages))] == [None] * len(messages)


@pytest.mark.parametrize("later", [CALL, DONE, HELLO, UNKNOWN], ids=lambda message: message.type)
def test_what_follows_a_complete_turn_is_not_part_of_it(later: Message) -> None:
    assert end_of([HI, HELLO, DONE, later, DONE]) == 3


@pytest.mark.parametrize(
    "messages",
    [[], [HI], [HI, DONE], [HI, HELLO], [HI, HELLO, SPEAKING], [HI, HELLO, CALL, DONE], [HELLO, HI, DONE]],
    ids=lambda messages: " ".join(message.type for message in messages),
)
def test_until_then_it_is_not_complete(messages: list[Message]) -> None:
    assert end_of(messages) is None


ANY = st.lists(st.sampled_from([HI, OTHER, HELLO, THINKING, DONE, CALL, UNKNOWN]), max_size=6)
ANY_WITHOUT_ECHO = st.lists(st.sampled_from([OTHER, HELLO, DONE, CALL]), max_size=4)


@given(ANY, ANY_WITHOUT_ECHO)
def test_later_messages_do_not_change_a_complete_turn(before: list[Message], later: list[Message]) -> None:
    messages = [*before, HELLO, DONE]
    length = end_of(messages)
    assert length is not None
    assert messages[length - 1] is DONE
    assert end_of(messages + later) == length


def test_a_greeting_that_ends_before_the_echo_is_not_a_reply() -> None:
    done = message("AgentAudioDone")
    messages = [said("assistant", "Hello!"), done]
    assert end_of(messages, "Hello!") is None
    messages += [said("user", "hi"), said("assistant", "Good day."), done]
    assert end_of(messages, "Hello!") == 5
    assert reply_in(messages, "Hello!") == "Good day."


@pytest.mark.parametrize(
    ("messages", "length"),
    [
        ([HELLO, DONE], None),
        ([HELLO, DONE, HI], None),
        ([HELLO, DONE, HI, AGAIN, DONE], 5),
        ([DONE, HI, AGAIN, OTHER, DONE], None),
        ([DONE, HI, AGAIN, OTHER, HELLO, DONE], 6),
    ],
    ids=["no transcript", "no answer", "answered", "the user goes on", "and is answered"],
)
def test_what_was_said_aloud_is_answered_after_its_transcript(messages: list[Message], length: int | None) -> None:
    assert end_of_turn(messages, taken_up_speech(messages)) == length


def test_a_turn_shows_its_words_and_not_its_audio() -> None:
    turn = Turn(
        user_transcript="hi",
        reply="Hello.",
        audio=b"\0" * 48_000,
        audio_format=AudioFormat(),
        container="none",
        latency=0.388,
        events=(HI, HELLO, DONE),
    )
    assert repr(turn) == (
        "Turn(user_transcript='hi', reply='Hello.', audio=<1.0 s>, latency=0.39, "
        "events=<ConversationText, ConversationText, AgentAudioDone>)"
    )
