"""Where the user's speech begins and ends: loud stretches of the audio input. Pure; time is audio time.

Thresholds are the emulator's choice: the vendor's turn detection is a model, this is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import SAMPLED, decode

WINDOW_MS = 20
SILENCE_MS = 500  # of silence that end a turn, unless the listen provider says otherwise
_ONSET_WINDOWS = 3  # loud windows in a row that count as speech; fewer are a click
_EVERY = 4  # only every fourth sample is measured: enough for loudness
_LOUD = 300  # mean amplitude of a window, of 32768


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user has begun to speak."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The user has spoken for this many milliseconds, not counting the silence that follows."""

    milliseconds: int


class VoiceActivityDetector:
    """Detects speech in the audio that one session receives. An encoding that can't be decoded counts as silence."""

    def __init__(self, audio: AudioFormat) -> None:
        self.silence_ms = SILENCE_MS
        self._audio = audio
        self._decodable = audio.encoding in SAMPLED
        self._window = max(1, audio.sample_rate * WINDOW_MS // 1000) * (audio.bytes_per_sample or 1)
        self._rest = b""
        self.reset()

    @property
    def speaking(self) -> bool:
        """Whether the user is in the middle of a turn."""
        return self._turn_windows > 0

    def reset(self) -> None:
        """Drop the current turn: speech that goes on begins a new one."""
        self._loud_windows = self._turn_windows = self._silent_windows = 0

    def detect(self, data: bytes) -> Iterator[SpeechStarted | SpeechEnded]:
        """Take more audio and yield the beginnings and ends of speech in it."""
        if not self._decodable:
            return
        data = self._rest + data
        whole = len(data) - len(data) % self._window
        self._rest = data[whole:]
        for at in range(0, whole, self._window):
            event = self._take(self._is_loud(data[at : at + self._window]))
            if event is not None:
                yield event

    def end_turn(self) -> SpeechEnded | None:
        """End the current turn because no more audio comes; None if there is none."""
        if not self.speaking:
            return None
        ended = SpeechEnded((self._turn_windows - self._silent_windows) * WINDOW_MS)
        self.reset()
        return ended

    def _is_loud(self, window: bytes) -> bool:
        samples = decode(self._audio.encoding, window)[::_EVERY]
        return sum(map(abs, samples)) > _LOUD * len(samples)

    def _take(self, loud: bool) -> SpeechStarted | SpeechEnded | None:
        self._loud_windows = self._loud_windows + 1 if loud else 0
        if self.speaking:
            self._turn_windows += 1
            self._silent_windows = 0 if loud else self._silent_windows + 1
            return self.end_turn() if self._silent_windows * WINDOW_MS >= self.silence_ms else None
        if self._loud_windows < _ONSET_WINDOWS:
            return None
        self._turn_windows = self._loud_windows
        return SpeechStarted()
