"""A text as audio: the emulator's detector and the gateway's meter take it for speech, and it lasts as speech does."""

from __future__ import annotations

import pytest

from pytest_dgbudget.client.spoken_text import spoken
from pytest_dgbudget.emulator.agent.providers import Listen
from pytest_dgbudget.emulator.agent.user_speech import UserSpeech
from pytest_dgbudget.emulator.audio.voice_activity import SpeechEnded, SpeechStarted
from pytest_dgbudget.emulator.session_clock import SessionClock
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import SAMPLED, silence
from pytest_dgbudget.rules.speech import SpeechReader

FORMATS = [AudioFormat(encoding, rate) for encoding in SAMPLED for rate in (1000, 8000, 24_000)]
QUESTION = "Where is my order? It has the number 1234567890123456789."


def said(text: str, format_: AudioFormat) -> bytes:
    return b"".join(spoken(text, format_))


def pause(format_: AudioFormat, seconds: float) -> bytes:
    return silence(format_.encoding, round(seconds * format_.sample_rate))


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_it_lasts_about_a_second_for_fifteen_characters(rate: int) -> None:
    seconds = len(said(QUESTION, AudioFormat("mulaw", rate))) / rate
    assert seconds == pytest.approx(len(QUESTION) / 15, rel=0.2)


@pytest.mark.parametrize("format_", FORMATS, ids=str)
@pytest.mark.parametrize("text", ["a", QUESTION, "你好我的订单在哪里"], ids=["short", "long", "without blanks"])
def test_the_gateway_takes_all_of_it_for_speech(format_: AudioFormat, text: str) -> None:
    audio = pause(format_, 0.007) + said(text, format_)
    ends_ms = format_.milliseconds(len(audio)) or 0
    reader = SpeechReader(format_)
    for _ in reader.add(audio + pause(format_, 0.5), ends_ms + 500):
        pass
    ended_ms = reader.result().ended_ms
    assert ended_ms is not None
    assert ends_ms - 60 <= ended_ms <= ends_ms + 20


class Heard:
    """What the emulator hears."""

    def __init__(self, format_: AudioFormat, silence_ms: int = 500) -> None:
        self.turns: list[SpeechEnded] = []
        self.events: list[SpeechStarted | SpeechEnded] = []
        self.user = UserSpeech(SessionClock("max"), lambda ended, _: self.turns.append(ended), by_timer=False)
        self.user.expect(format_)
        self.user.detect_as(Listen(silence_ms=silence_ms))

    def hear(self, audio: bytes) -> None:
        for piece in self.user.pieces(audio):
            for event in self.user.hear(piece):
                self.events.append(event)
                if isinstance(event, SpeechEnded):
                    self.user.take(event)


@pytest.mark.asyncio
@pytest.mark.parametrize("format_", FORMATS, ids=str)
@pytest.mark.parametrize("late_ms", [0, 13])
async def test_the_emulator_hears_one_turn_with_its_words(format_: AudioFormat, late_ms: int) -> None:
    heard = Heard(format_)
    heard.hear(pause(format_, late_ms / 1000) + said(QUESTION, format_) + pause(format_, 0.6))
    (turn,) = heard.turns
    assert turn.words == QUESTION
    lasts_ms = format_.milliseconds(len(said(QUESTION, format_))) or 0
    assert lasts_ms - 150 <= turn.milliseconds <= lasts_ms


@pytest.mark.asyncio
@pytest.mark.parametrize("gap", [0.33, 0.35, 0.37, 0.41])
async def test_words_belong_to_the_turn_in_which_their_audio_arrived(gap: float) -> None:
    format_ = AudioFormat("linear16", 16_000)
    heard = Heard(format_, silence_ms=300)
    texts = ["Yes.", "No.", "Perhaps."]
    heard.hear(b"".join(said(text, format_) + pause(format_, gap) for text in texts))
    assert [turn.words for turn in heard.turns] == texts


@pytest.mark.asyncio
async def test_texts_without_a_pause_that_ends_the_turn_are_one_turn() -> None:
    format_ = AudioFormat("mulaw", 8000)
    heard = Heard(format_)
    heard.hear(said("Where is", format_) + pause(format_, 0.3) + said("my order?", format_) + pause(format_, 0.6))
    assert [turn.words for turn in heard.turns] == ["Where is my order?"]


@pytest.mark.asyncio
async def test_a_turn_that_is_ended_by_hand_has_the_words_so_far() -> None:
    format_ = AudioFormat("mulaw", 8000)
    heard, audio = Heard(format_), said("one two three", format_)
    heard.hear(audio[: len(audio) // 2])
    heard.user.end_turn("manual")
    heard.hear(audio[len(audio) // 2 :] + pause(format_, 0.6))
    assert [turn.words for turn in heard.turns] == ["one two", "three"]


@pytest.mark.asyncio
async def test_the_words_of_a_turn_that_is_dropped_are_dropped_with_it() -> None:
    format_ = AudioFormat("mulaw", 8000)
    heard = Heard(format_)
    heard.hear(said("one", format_))
    heard.user.forget_turn()
    heard.hear(said("two", format_) + pause(format_, 0.6))
    assert [turn.words for turn in heard.turns] == ["two"]


@pytest.mark.parametrize(
    ("text", "encoding", "why"),
    [
        ("hello", "opus", "change audio.input in the settings"),
        ("", "linear16", "nothing to say"),
        (" \n", "linear16", "nothing to say"),
        ("\ud800", "linear16", "no valid Unicode"),
    ],
)
def test_what_can_not_be_said_is_refused_at_once(text: str, encoding: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        spoken(text, AudioFormat(encoding, 16_000))
