"""What a listener hears of an agent that sends faster than it speaks."""

from __future__ import annotations

import pytest

from pytest_dgbudget.client.heard_agent import TRANSCRIPT_SECONDS, HeardAgent
from pytest_dgbudget.rules.audio import AudioFormat

SECOND = 16_000  # bytes of linear16 at 8 kHz


@pytest.fixture
def heard() -> HeardAgent:
    return HeardAgent(AudioFormat("linear16", 8_000))


def test_a_frame_is_heard_after_the_one_before_it(heard: HeardAgent) -> None:
    heard.audio(SECOND, 10.0)
    heard.audio(SECOND, 10.1)
    assert (heard.began, heard.until) == (10.0, 12.0)
    assert heard.heard_of_reply(11.5) == pytest.approx(1.5)


def test_after_a_pause_it_is_heard_when_it_comes(heard: HeardAgent) -> None:
    heard.audio(SECOND, 10.0)
    heard.audio(SECOND, 15.0)
    assert heard.until == 16.0
    assert heard.heard_of_reply(15.5) == pytest.approx(1.5)


def test_it_is_heard_after_it_was_sent(heard: HeardAgent) -> None:
    heard.audio(SECOND, 10.0)
    heard.sent()
    assert not heard.more_is_to_come(99.0)
    assert heard.is_speaking(10.9)
    assert not heard.is_speaking(11.0)


def test_what_was_not_heard_when_the_user_begins_is_dropped_and_so_is_what_comes_late(heard: HeardAgent) -> None:
    heard.audio(3 * SECOND, 10.0)
    heard.user_started(11.0)
    assert (heard.until, heard.heard_when_interrupted) == (11.0, 1.0)
    heard.audio(SECOND, 11.1)
    assert not heard.is_speaking(11.1)
    assert not heard.more_is_to_come(99.0)
    heard.answer_due()
    heard.audio(SECOND, 13.0)
    assert (heard.began, heard.until) == (13.0, 14.0)


def test_a_user_who_begins_in_silence_interrupts_nothing(heard: HeardAgent) -> None:
    heard.user_started(5.0)
    heard.audio(SECOND, 6.0)
    assert heard.is_speaking(6.5)


def test_of_a_reply_counts_what_was_heard_of_this_one(heard: HeardAgent) -> None:
    heard.audio(SECOND, 10.0)
    heard.sent()
    heard.audio(SECOND, 20.0)
    heard.user_started(20.25)
    assert heard.heard_when_interrupted == pytest.approx(0.25)


def test_a_greeting_is_to_come_until_its_audio_begins(heard: HeardAgent) -> None:
    heard.greeting_due()
    assert heard.more_is_to_come(99.0)
    assert not heard.is_speaking(1.0)
    heard.audio(SECOND, 2.0)
    heard.sent()
    assert not heard.more_is_to_come(99.0)


def test_an_answer_is_to_come_though_a_greeting_ends_before_it(heard: HeardAgent) -> None:
    heard.audio(SECOND, 2.0)
    heard.answer_due()
    heard.audio(SECOND, 2.1)
    heard.sent()
    assert heard.more_is_to_come(99.0)
    heard.says(is_greeting=False)
    assert heard.more_is_to_come(99.0)  # its audio
    heard.audio(SECOND, 5.0)
    heard.sent()
    assert not heard.more_is_to_come(99.0)


def test_a_text_that_is_refused_is_not_answered(heard: HeardAgent) -> None:
    heard.text_injected()
    assert heard.more_is_to_come(99.0)
    heard.injection_refused()
    assert not heard.more_is_to_come(99.0)
    heard.answer_due()
    heard.injection_refused()
    assert heard.more_is_to_come(99.0)
    heard.nothing_due()
    assert not heard.more_is_to_come(99.0)


def test_who_begins_to_speak_is_given_time_for_a_transcript(heard: HeardAgent) -> None:
    heard.answer_due()
    heard.user_started(3.5)
    assert heard.more_is_to_come(3.5 + TRANSCRIPT_SECONDS - 0.1)
    assert not heard.more_is_to_come(3.5 + TRANSCRIPT_SECONDS)
    heard.user_spoke(10.0)
    assert heard.more_is_to_come(12.0)
    heard.answer_due()
    heard.says(is_greeting=False)
    heard.sent()
    assert not heard.more_is_to_come(12.0)


def test_what_comes_after_an_interruption_is_heard_once_it_is_something_new(heard: HeardAgent) -> None:
    heard.audio(SECOND, 1.0)
    heard.user_started(1.5)
    heard.says(is_greeting=False)  # a late sentence
    heard.audio(SECOND, 1.6)
    assert not heard.is_speaking(1.6)
    heard.sent()
    heard.says(is_greeting=False)
    heard.audio(SECOND, 5.0)
    assert heard.is_speaking(5.5)


def test_compressed_audio_is_heard_when_it_comes() -> None:
    heard = HeardAgent(AudioFormat("opus", 48_000))
    heard.audio(1000, 1.0)
    assert heard.is_speaking(5.0)  # more may come
    heard.sent()
    assert not heard.is_speaking(5.0)
