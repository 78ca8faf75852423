"""Sounds of scenarios: WAV files and tones, in the format of a session's audio output. Pure, except for reading files.

Resampling is linear, which is the emulator's choice: tests check what is played and for how long, not its quality.
"""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.timing import FRAME_MS
from pytest_dgbudget.paths import require_file
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import encode

LONGEST_MS = 600_000  # a session lasts 2 h at most; this bounds what one step plays
_MOST_SAMPLES = 30_000_000  # 60 MB: ten minutes at 48 kHz
_BLOCK = 65536  # samples of each channel that are read at once
_LOUDNESS = 8000  # of 32768


class Sound(Protocol):
    """What can be played instead of the emulator's voice."""

    @property
    def milliseconds(self) -> int:
        """Its length in whole steps: the last one is padded with silence."""
        ...

    def frames(self, audio: AudioFormat) -> Iterator[bytes]:
        """Yield it in frames."""
        ...


@dataclass(frozen=True, slots=True)
class SampledSound:
    """Samples of -32768 to 32767, ``rate`` of them per second."""

    samples: Sequence[int]
    rate: int

    @property
    def milliseconds(self) -> int:
        return _whole_steps(math.ceil(len(self.samples) * 1000 / self.rate))

    def frames(self, audio: AudioFormat) -> Iterator[bytes]:
        return _frames(audio, self.milliseconds, self._at)

    def _at(self, seconds: float) -> int:
        exact = seconds * self.rate
        before = int(exact)
        if before + 1 >= len(self.samples):
            return self.samples[before] if before < len(self.samples) else 0
        share = exact - before
        return round(self.samples[before] * (1 - share) + self.samples[before + 1] * share)


@dataclass(frozen=True, slots=True)
class Tone:
    """A sine wave of this frequency and length."""

    hz: int
    ms: int

    @property
    def milliseconds(self) -> int:
        return _whole_steps(self.ms)

    def frames(self, audio: AudioFormat) -> Iterator[bytes]:
        return _frames(audio, self.milliseconds, self._at)

    def _at(self, seconds: float) -> int:
        return round(_LOUDNESS * math.sin(2 * math.pi * self.hz * seconds)) if seconds * 1000 < self.ms else 0


def _whole_steps(milliseconds: int) -> int:
    return math.ceil(milliseconds / voice.STEP_MS) * voice.STEP_MS


def _frames(audio: AudioFormat, milliseconds: int, at: Callable[[float], int]) -> Iterator[bytes]:
    """Yield frames of a sound; ``at`` returns its sample at a time in seconds."""
    for began in range(0, milliseconds, FRAME_MS):
        start, end = (at * audio.sample_rate // 1000 for at in (began, min(began + FRAME_MS, milliseconds)))
        yield encode(audio.encoding, [at(m / audio.sample_rate) for m in range(start, end)])


def read_wav(path: Path) -> SampledSound:
    """Read a WAV file of 16-bit samples, its first channel; raises ValueError with the reason."""
    try:
        require_file(path)
        with wave.open(str(path), "rb") as file:
            _check(file, path)
            return SampledSound(_first_channel(file), file.getframerate())
    except (OSError, EOFError, wave.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or "it ends too early"
        raise ValueError(f"{path} can't be read as a WAV file: {why}") from None


def _check(file: wave.Wave_read, path: Path) -> None:
    width, rate, count = file.getsampwidth(), file.getframerate(), file.getnframes()
    if width != 2:
        raise ValueError(f"{path} has samples of {8 * width} bits; 16 bits are needed")
    if rate < 1:
        raise ValueError(f"{path} has {rate} samples a second; 1 or more are needed")
    if count * 1000 > LONGEST_MS * rate:
        raise ValueError(f"{path} lasts {count / rate:.0f} s; up to {LONGEST_MS // 1000} s are taken")
    if count > _MOST_SAMPLES:
        raise ValueError(f"{path} has {count} samples; up to {_MOST_SAMPLES} are taken")


def _first_channel(file: wave.Wave_read) -> array[int]:
    samples, channels = array("h"), file.getnchannels()
    while block := file.readframes(_BLOCK):  # in the machine's own order of bytes
        samples.extend(array("h", block[: len(block) // 2 * 2])[::channels])
    return samples
