"""The emulator's voice: a soft hum that swells four times a second and lasts as long as its text is. Pure.

The sound and its length are the emulator's choice.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pytest_dgbudget.emulator.timing import FRAME_MS, SEEN, Timing
from pytest_dgbudget.rules.audio import WAV_TAGS, AudioFormat
from pytest_dgbudget.rules.samples import encode

CODECS = ("linear16", "mulaw", "alaw")  # what the emulator can speak
STEP_MS = 20  # sounds are a whole number of these long
_STEPS_A_SECOND = 1000 // STEP_MS


@dataclass(frozen=True, slots=True)
class Speech:
    """A text in the emulator's voice."""

    text: str
    timing: Timing = SEEN

    @property
    def milliseconds(self) -> int:
        return duration_ms(self.text, self.timing)

    def frames(self, audio: AudioFormat) -> Iterator[bytes]:
        return frames(audio, self.milliseconds)


def duration_ms(text: str, timing: Timing = SEEN) -> int:
    """Return how long the emulator speaks this text, in milliseconds: a whole number of steps."""
    wanted = max(len(text) * timing.per_character_ms, timing.shortest_ms)
    return wanted // STEP_MS * STEP_MS


def frames(audio: AudioFormat, milliseconds: int) -> Iterator[bytes]:
    """Yield the sound in frames; if 50 does not divide the rate, their sizes differ by one sample."""
    steps, of_a_frame = milliseconds // STEP_MS, FRAME_MS // STEP_MS
    for first in range(0, steps, of_a_frame):
        yield _frame(audio, first % _STEPS_A_SECOND, min(of_a_frame, steps - first))


@lru_cache(maxsize=1024)
def _frame(audio: AudioFormat, first: int, steps: int) -> bytes:
    """Return some steps of the second that is repeated, from this one on."""
    second, width = _one_second(audio), audio.bytes_per_sample or 1
    edges = [at * audio.sample_rate // _STEPS_A_SECOND * width for at in range(_STEPS_A_SECOND + 1)]
    numbers = (n % _STEPS_A_SECOND for n in range(first, first + steps))
    return b"".join(second[edges[n] : edges[n + 1]] for n in numbers)


def wav_header(audio: AudioFormat, milliseconds: int) -> bytes:
    """Return the 44 bytes that precede the samples in a WAV file."""
    tag = WAV_TAGS[audio.encoding]
    width, rate = audio.bytes_per_sample or 1, audio.sample_rate
    size = sum(map(len, frames(audio, milliseconds)))
    form = struct.pack("<HHIIHH", tag, 1, rate, rate * width, width, width * 8)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
    )


@lru_cache(maxsize=16)
def _one_second(audio: AudioFormat) -> bytes:
    """Return one second that can be repeated without a click: 180 Hz and its octave, swelling four times."""
    return encode(audio.encoding, [_hum(n / audio.sample_rate) for n in range(audio.sample_rate)])


def _hum(seconds: float) -> int:
    turn = 2 * math.pi * seconds
    swell = (1 - math.cos(4 * turn)) / 2
    return round(6000 * swell * (0.7 * math.sin(180 * turn) + 0.3 * math.sin(360 * turn)))
