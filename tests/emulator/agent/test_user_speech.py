"""What the user says aloud, and what audio that comes faster than real time does to a session's clock."""

from __future__ import annotations

import asyncio

import pytest

from pytest_dgbudget.emulator.agent.message_writer import Trigger
from pytest_dgbudget.emulator.agent.providers import Listen
from pytest_dgbudget.emulator.agent.user_speech import UserSpeech
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.audio.voice_activity import SpeechEnded, SpeechStarted
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.session_clock import Pace, SessionClock
from pytest_dgbudget.rules.audio import AudioFormat

pytestmark = pytest.mark.asyncio

INPUT = AudioFormat("linear16", 16000)
PIECE = 3200  # bytes: 100 ms
SPEECH = b"".join(voice.frames(INPUT, 1000))
SILENCE = bytes(6 * PIECE)


class Loop:
    """A loop whose time the test sets."""

    now = 1000.0

    def time(self) -> float:
        return self.now


class Heard:
    """A user, the turns that have ended, and a clock at this pace."""

    def __init__(self, pace: Pace, *, by_timer: bool = False) -> None:
        self.turns: list[tuple[int, Trigger]] = []
        self.loop = Loop()
        self.clock = SessionClock(pace)
        self.clock._loop = self.loop  # type: ignore[assignment]
        self.user = UserSpeech(self.clock, self._ended, by_timer=by_timer)
        self.user.expect(INPUT)

    def _ended(self, speech: SpeechEnded, trigger: Trigger) -> None:
        self.turns.append((speech.milliseconds, trigger))

    def hear(self, audio: bytes, *, seconds_each: float = 0.0) -> list[type]:
        """Hear it in pieces, each this much later; return what was noticed."""
        noticed: list[type] = []
        for piece in self.user.pieces(audio):
            self.loop.now += seconds_each
            for event in self.user.hear(piece):
                noticed.append(type(event))
                if isinstance(event, SpeechEnded):
                    self.user.take(event)
        return noticed


async def test_a_message_is_heard_in_pieces_of_100_ms() -> None:
    user = Heard("vendor").user
    assert [len(piece) for piece in user.pieces(bytes(2 * PIECE + 2))] == [PIECE, PIECE, 2]
    assert user.milliseconds(bytes(PIECE)) == 100
    user.expect(AudioFormat("opus", 48000))
    assert len(user.pieces(bytes(100_000))) == 2
    assert user.milliseconds(b"x") == 0


async def test_a_turn_ends_by_the_silence_that_arrives() -> None:
    heard = Heard("vendor")
    assert heard.hear(SPEECH) == [SpeechStarted]
    assert (heard.user.speaking, heard.turns) == (True, [])
    assert heard.hear(SILENCE) == [SpeechEnded]
    ((milliseconds, trigger),) = heard.turns
    assert (900 <= milliseconds <= 1000, trigger, heard.user.speaking) == (True, "model", False)


async def test_a_turn_that_the_timeout_ends_says_so() -> None:
    heard = Heard("vendor")
    heard.user.detect_as(Listen(flux=True, silence_ms=300, by_timeout=True))
    heard.hear(SPEECH + SILENCE)
    assert [trigger for _, trigger in heard.turns] == ["timeout"]


async def test_a_turn_that_is_ended_by_hand_or_forgotten() -> None:
    heard = Heard("vendor")
    heard.user.end_turn("manual")
    heard.hear(SPEECH)
    heard.user.end_turn("manual")
    assert [trigger for _, trigger in heard.turns] == ["manual"]
    heard.hear(SPEECH)
    heard.user.forget_turn()
    assert heard.hear(SILENCE) == []
    assert len(heard.turns) == 1


@pytest.mark.parametrize("by_timer", [True, False])
async def test_a_timer_ends_a_turn_only_if_it_is_to(by_timer: bool) -> None:
    heard = Heard("vendor", by_timer=by_timer)
    heard.user.detect_as(Listen(silence_ms=100))
    heard.hear(SPEECH)
    await asyncio.sleep(0.5)  # this is what ends it, or does not
    assert [trigger for _, trigger in heard.turns] == ["timeout"] * by_timer
    heard.hear(SPEECH)
    heard.user.stop()
    await asyncio.sleep(0.3)
    assert len(heard.turns) == by_timer


async def test_at_pace_max_audio_that_comes_at_once_counts_as_skipped() -> None:
    heard = Heard("max")
    heard.hear(SPEECH + SILENCE)
    assert heard.clock.seconds() == pytest.approx(1001.4, abs=0.15)  # until the 500 ms of silence that ended the turn
    assert heard.clock.skipped == pytest.approx(1.5, abs=0.01)  # the first 100 ms have just been spoken
    heard.hear(SPEECH + SILENCE)
    assert heard.clock.seconds() == pytest.approx(1003.0, abs=0.15)
    assert heard.clock.skipped == pytest.approx(3.1, abs=0.01)


async def test_at_pace_max_audio_in_real_time_skips_nothing() -> None:
    heard = Heard("max")
    heard.hear(SILENCE + SPEECH + SILENCE, seconds_each=0.1)
    assert len(heard.turns) == 1
    assert heard.clock.skipped < 0.02


async def test_at_pace_max_of_audio_at_twice_its_speed_half_is_skipped() -> None:
    heard = Heard("max")
    heard.hear(SPEECH + SILENCE, seconds_each=0.05)
    assert heard.clock.skipped == pytest.approx(0.75, abs=0.15)


async def test_at_pace_vendor_nothing_is_skipped() -> None:
    heard = Heard("vendor")
    heard.hear(SPEECH + SILENCE)
    assert heard.clock.skipped == 0


async def test_the_first_audio_is_what_settings_declare() -> None:
    heard = Heard("vendor")
    with pytest.raises(ProtocolError, match="USER_AUDIO_FORMAT"):
        heard.user.pieces(b"OggS" + bytes(100))
    heard.user.pieces(bytes(100))
    heard.user.pieces(b"OggS" + bytes(100))  # later it is samples
