"""Audio of a user's, with speech whose end is known to the sample."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Sequence

from pytest_dgbudget.rules import speech

Samples = Sequence[int]
FULL_SCALE = 32768


def tone(ms: int, rate: int, dbfs: float = -12.0) -> list[int]:
    """Return speech-like audio: a tone whose loudness moves."""
    amplitude = math.sqrt(2) * FULL_SCALE * 10 ** (dbfs / 20)
    return [round(amplitude * math.sin(2 * math.pi * 310 * n / rate)) for n in range(ms * rate // 1000)]


def silence(ms: int, rate: int) -> list[int]:
    return [0] * (ms * rate // 1000)


def noise(ms: int, rate: int, dbfs: float) -> list[int]:
    random_numbers = random.Random(1)
    amplitude = FULL_SCALE * 10 ** (dbfs / 20)
    return [round(random_numbers.gauss(0, amplitude)) for _ in range(ms * rate // 1000)]


def mixed(one: Samples, other: Samples) -> list[int]:
    return [max(-FULL_SCALE, min(FULL_SCALE - 1, a + b)) for a, b in zip(one, other, strict=True)]


def linear16(samples: Samples) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


def nearest(square_of: Callable[[int], int]) -> Callable[[Samples], bytes]:
    """Return an encoder whose every byte is as loud as its sample, by search."""
    loudness = sorted((math.isqrt(square_of(code)), code) for code in range(256))

    def encode(samples: Samples) -> bytes:
        known: dict[int, int] = {}
        for sample in {abs(each) for each in samples}:
            known[sample] = min(loudness, key=lambda pair: abs(pair[0] - sample))[1]
        return bytes(known[abs(sample)] for sample in samples)

    return encode


ENCODERS: dict[str, Callable[[Samples], bytes]] = {
    "linear16": linear16,
    "mulaw": nearest(speech._mulaw_square),
    "alaw": nearest(speech._alaw_square),
}
