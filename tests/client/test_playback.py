"""What a listener hears of an agent that sends faster than it speaks."""

from __future__ import annotations

import pytest

from pytest_dgbudget.client.playback import Playback
from pytest_dgbudget.rules.audio import AudioFormat

SECOND = 16_000  # bytes of linear16 at 8 kHz


@pytest.fixture
def playback() -> Playback:
    return Playback(AudioFormat("linear16", 8_000))


def test_a_frame_is_heard_after_the_one_before_it(playback: Playback) -> None:
    playback.audio(SECOND, 10.0)
    playback.audio(SECOND, 10.1)
    assert (playback.began, playback.until) == (10.0, 12.0)
    assert playback.heard_of_reply(11.5) == pytest.approx(1.5)


def test_after_a_pause_it_is_heard_when_it_comes(playback: Playback) -> None:
    playback.audio(SECOND, 10.0)
    playback.audio(SECOND, 15.0)
    assert playback.until == 16.0
    assert playback.heard_of_reply(15.5) == pytest.approx(1.5)


def test_it_is_heard_after_it_was_sent(playback: Playback) -> None:
    playback.audio(SECOND, 10.0)
    playback.sent()
    assert not playback.more_is_to_come
    assert playback.is_speaking(10.9)
    assert not playback.is_speaking(11.0)


def test_what_was_not_heard_when_the_user_begins_is_dropped_and_so_is_what_comes_late(playback: Playback) -> None:
    playback.audio(3 * SECOND, 10.0)
    playback.user_started(11.0)
    assert (playback.until, playback.heard_when_interrupted) == (11.0, 1.0)
    playback.audio(SECOND, 11.1)
    assert not playback.is_speaking(11.1)
    assert not playback.more_is_to_come
    playback.answer_due()
    playback.audio(SECOND, 13.0)
    assert (playback.began, playback.until) == (13.0, 14.0)


def test_a_user_who_begins_in_silence_interrupts_nothing(playback: Playback) -> None:
    playback.user_started(5.0)
    playback.audio(SECOND, 6.0)
    assert playback.is_speaking(6.5)


def test_of_a_reply_counts_what_was_heard_of_this_one(playback: Playback) -> None:
    playback.audio(SECOND, 10.0)
    playback.sent()
    playback.audio(SECOND, 20.0)
    playback.user_started(20.25)
    assert playback.heard_when_interrupted == pytest.approx(0.25)


def test_a_greeting_is_to_come_until_its_audio_begins(playback: Playback) -> None:
    playback.greeting_due()
    assert playback.more_is_to_come
    assert not playback.is_speaking(1.0)
    playback.audio(SECOND, 2.0)
    playback.sent()
    assert not playback.more_is_to_come


def test_an_answer_is_to_come_though_a_greeting_ends_before_it(playback: Playback) -> None:
    playback.audio(SECOND, 2.0)
    playback.answer_due()
    playback.audio(SECOND, 2.1)
    playback.sent()
    assert playback.more_is_to_come
    playback.answers()
    assert playback.more_is_to_come  # its audio
    playback.audio(SECOND, 5.0)
    playback.sent()
    assert not playback.more_is_to_come


def test_nothing_is_to_come_after_a_refusal_or_when_the_user_goes_on(playback: Playback) -> None:
    playback.answer_due()
    playback.nothing_due()
    assert not playback.more_is_to_come
    playback.answer_due()
    playback.user_started(3.5)
    assert not playback.more_is_to_come


def test_compressed_audio_is_heard_when_it_comes() -> None:
    playback = Playback(AudioFormat("opus", 48_000))
    playback.audio(1000, 1.0)
    assert playback.is_speaking(5.0)  # more may come
    playback.sent()
    assert not playback.is_speaking(5.0)
