"""Sounds of scenarios: WAV files and tones, in whatever form a session's audio output has. Pure, but for reading files.

Resampling is linear, which is the emulator's choice: tests listen for how long and what, not for how well.
"""

from __future__ import annotations

import math
import struct
import wave
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.rules.audio import AudioFormat

TONE_RATE = 48_000  # Hz
LONGEST_MS = 600_000  # a session lasts 2 h at most; this bounds what one file makes us hold
_LOUDNESS = 8000  # of 32768


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples of -32768 to 32767, so many of them a second."""

    samples: Sequence[int]
    rate: int

    @property
    def milliseconds(self) -> int:
        """How long it takes, in whole frames: the last one is filled with silence."""
        exact = math.ceil(len(self.samples) * 1000 / self.rate)
        return math.ceil(exact / voice.FRAME_MS) * voice.FRAME_MS

    def frames(self, audio: AudioFormat) -> Iterator[bytes]:
        """Yield it in frames of 20 ms."""
        for n in range(self.milliseconds // voice.FRAME_MS):
            start, end = (at * audio.sample_rate * voice.FRAME_MS // 1000 for at in (n, n + 1))
            yield voice.encode(audio, [self._at(m / audio.sample_rate) for m in range(start, end)])

    def _at(self, seconds: float) -> int:
        exact = seconds * self.rate
        before = int(exact)
        if before + 1 >= len(self.samples):
            return self.samples[before] if before < len(self.samples) else 0
        share = exact - before
        return round(self.samples[before] * (1 - share) + self.samples[before + 1] * share)


def tone(hz: float, milliseconds: int) -> Sound:
    """Return a sine of this pitch and length."""
    count = TONE_RATE * milliseconds // 1000
    return Sound([round(_LOUDNESS * math.sin(2 * math.pi * hz * n / TONE_RATE)) for n in range(count)], TONE_RATE)


def read_wav(path: Path) -> Sound:
    """Read a WAV file of 16-bit samples, its first channel; raises ValueError with the reason."""
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate, count = file.getparams()[:4]
            if width != 2:
                raise ValueError(f"{path} has samples of {8 * width} bits; 16 bits are needed")
            if rate < 1:
                raise ValueError(f"{path} has {rate} samples a second; 1 or more are needed")
            if count * 1000 > LONGEST_MS * rate:
                raise ValueError(f"{path} lasts {count / rate:.0f} s; up to {LONGEST_MS // 1000} s are taken")
            data = file.readframes(count)
    except (OSError, EOFError, wave.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or "it ends too early"
        raise ValueError(f"{path} can't be read as a WAV file: {why}") from None
    whole = len(data) // 2
    return Sound(array("h", struct.unpack(f"<{whole}h", data[: whole * 2]))[::channels], rate)
