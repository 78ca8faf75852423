"""What the user says aloud in one session: where it begins and ends, by the audio that arrives.

A turn ends by audio, silence included; a client that stops sending is waited for until it times out. That the pipeline
moves on only with audio was measured (E6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from pytest_dgbudget.emulator.agent.message_writer import Trigger
from pytest_dgbudget.emulator.agent.providers import Listen
from pytest_dgbudget.emulator.audio import sniff
from pytest_dgbudget.emulator.audio.voice_activity import SpeechEnded, SpeechStarted, VoiceActivityDetector
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.session_clock import SessionClock
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.carried_words import WordReader

_HEARD_AT_ONCE_MS = 100
_HEARD_AT_ONCE = 64 * 1024  # bytes, where their length in time is not known


class UserSpeech:
    """``turn_ended`` is called with each turn of speech and what ended it.

    ``by_timer``: audio that stops coming ends a turn as well, which the vendor was not seen to do.
    """

    def __init__(
        self, clock: SessionClock, turn_ended: Callable[[SpeechEnded, Trigger], None], *, by_timer: bool
    ) -> None:
        self._clock = clock
        self._turn_ended = turn_ended
        self._by_timer = by_timer
        self._format = AudioFormat()
        self._listen = Listen()
        self._detector = VoiceActivityDetector(self._format)
        self._words = WordReader(self._format)
        self._unseen = True  # until the first audio has come
        self._heard_until = 0.0  # the moment of the session's clock at which what was heard would have ended
        self._quiet_timer: asyncio.TimerHandle | None = None

    @property
    def speaking(self) -> bool:
        """Whether the user is in the middle of a turn."""
        return self._detector.speaking

    def expect(self, format_: AudioFormat) -> None:
        """Hear audio of this format."""
        self._format, self._detector = format_, VoiceActivityDetector(format_)
        self._detector.silence_ms = self._listen.silence_ms
        self._words = WordReader(format_)

    def detect_as(self, listen: Listen) -> None:
        """End turns as this provider does."""
        self._listen = listen
        self._detector.silence_ms = listen.silence_ms

    def pieces(self, audio: bytes) -> list[bytes]:
        """Take a message's audio; return it in pieces that are heard at once. Raises ProtocolError if it isn't audio.

        Its time counts from now on, since the session may end before all of it is heard.
        """
        if self._unseen:
            self._look_at_first(audio)
        width = self._format.bytes_per_sample
        size = _HEARD_AT_ONCE if width is None else width * self._format.sample_rate * _HEARD_AT_ONCE_MS // 1000
        pieces = [audio[at : at + size] for at in range(0, len(audio), size)]
        for piece in pieces:
            self._clock.audio_until = self._end(piece, self._clock.audio_until)
        return pieces

    def milliseconds(self, piece: bytes) -> int:
        """How long it lasts; 0 if that is not known."""
        return self._format.milliseconds(len(piece)) or 0

    def hear(self, piece: bytes) -> list[SpeechStarted | SpeechEnded]:
        """Return the beginnings and ends of speech in a piece."""
        self._heard_until = self._end(piece, self._heard_until)
        events = list(self._detector.detect(piece))
        self._words.add(piece)
        if events:
            self._clock.skip_to(self._heard_until)
        self._restart_quiet_timer()
        return events

    def take(self, ended: SpeechEnded) -> None:
        self._end_with_words(ended, "timeout" if self._listen.by_timeout else "model")

    def end_turn(self, trigger: Trigger) -> None:
        """End the current turn now, if there is one."""
        ended = self._detector.end_turn()
        if ended is not None:
            self._end_with_words(ended, trigger)

    def forget_turn(self) -> None:
        """Drop the current turn: speech that goes on begins a new one."""
        self._detector.reset()
        self._words.take()

    def stop(self) -> None:
        """Cancel what is still pending."""
        if self._quiet_timer is not None:
            self._quiet_timer.cancel()

    def _end_with_words(self, ended: SpeechEnded, trigger: Trigger) -> None:
        """Give the turn all words that were heard: they are never in the first 100 ms of speech, so in no later one."""
        words = (self._words.take() or "").strip() or None
        self._turn_ended(replace(ended, words=words), trigger)

    def _look_at_first(self, audio: bytes) -> None:
        wrong = sniff.mismatch(self._format, audio)
        if wrong:
            text = f"Settings declare {self._format.encoding} at {self._format.sample_rate} Hz; what came is {wrong}."
            raise ProtocolError("USER_AUDIO_FORMAT", text)
        self._unseen = False

    def _end(self, piece: bytes, before: float) -> float:
        """Return the moment at which a piece ends in real time that follows audio which ends at the moment ``before``.

        A piece that follows nothing has just been spoken.
        """
        length = self.milliseconds(piece) / 1000
        return max(before, self._clock.seconds() - length) + length

    def _restart_quiet_timer(self) -> None:
        self.stop()
        if self._by_timer and self.speaking:
            quiet = self._listen.silence_ms / 1000
            self._quiet_timer = asyncio.get_running_loop().call_later(quiet, self.end_turn, "timeout")
