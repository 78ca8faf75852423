"""Audio of a user's, with speech whose end is known to the sample."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import partial

from pytest_dgbudget.rules.samples import SAMPLED, encode

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
    return encode("linear16", samples)


ENCODERS: dict[str, Callable[[Samples], bytes]] = {name: partial(encode, name) for name in SAMPLED}
