"""The emulator's voice: a soft hum that swells four times a second and lasts as long as its text is. Pure.

The sound and its length are the emulator's choice; G.711 is a standard of ITU-T.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_dgbudget.emulator.timing import FRAME_MS, SEEN, Timing
from pytest_dgbudget.rules.audio import AudioFormat

Encode = Callable[[int], int]

CODECS = ("linear16", "mulaw", "alaw")  # what the emulator can speak and hear
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
    tag = {"linear16": 1, "alaw": 6, "mulaw": 7}[audio.encoding]
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


def decode(audio: AudioFormat, data: bytes) -> Sequence[int]:
    """Return samples of -32768 to 32767 from linear16, mulaw or alaw."""
    if audio.encoding == "linear16":
        samples = array("h", data)
        if sys.byteorder == "big":
            samples.byteswap()
        return samples
    table = _ALAW if audio.encoding == "alaw" else _MULAW
    return [table[byte] for byte in data]


@lru_cache(maxsize=16)
def _one_second(audio: AudioFormat) -> bytes:
    """Return one second that can be repeated without a click: 180 Hz and its octave, swelling four times."""
    return encode(audio, [_hum(n / audio.sample_rate) for n in range(audio.sample_rate)])


def encode(audio: AudioFormat, samples: Sequence[int]) -> bytes:
    """Turn samples of -32768 to 32767 into linear16, mulaw or alaw."""
    if audio.encoding == "linear16":
        return struct.pack(f"<{len(samples)}h", *samples)
    compress: Encode = _to_alaw if audio.encoding == "alaw" else _to_mulaw
    return bytes(compress(sample) for sample in samples)


def _hum(seconds: float) -> int:
    turn = 2 * math.pi * seconds
    swell = (1 - math.cos(4 * turn)) / 2
    return round(6000 * swell * (0.7 * math.sin(180 * turn) + 0.3 * math.sin(360 * turn)))


def _to_mulaw(sample: int) -> int:
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


def _from_mulaw(byte: int) -> int:
    byte = ~byte & 0xFF
    magnitude = ((byte & 0x0F) << 3 | 0x84) << (byte >> 4 & 7)
    return 132 - magnitude if byte & 0x80 else magnitude - 132


def _to_alaw(sample: int) -> int:
    sign, magnitude = (0, ~sample) if sample < 0 else (0x80, sample)
    exponent = max(magnitude.bit_length() - 8, 0)
    mantissa = magnitude >> (exponent + 3 if exponent else 4) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


def _from_alaw(byte: int) -> int:
    byte ^= 0x55
    exponent, mantissa = byte >> 4 & 7, byte & 0x0F
    magnitude = (mantissa << 4 | 0x108) << exponent - 1 if exponent else mantissa << 4 | 8
    return magnitude if byte & 0x80 else -magnitude


_MULAW = tuple(map(_from_mulaw, range(256)))
_ALAW = tuple(map(_from_alaw, range(256)))
