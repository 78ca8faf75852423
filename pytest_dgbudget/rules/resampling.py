"""Samples at another rate: a windowed sinc, in polyphase form. Pure.

What both rates can hold passes within 0.1 dB up to 0.8 of half the lower rate; what the lower one can't hold, and would
be heard as something else, is at least 60 dB down. Nothing is delayed.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from operator import mul

_PASSES = 0.8  # of half the lower rate
_DECIBELS = 65.0
_KAISER = 0.1102 * (_DECIBELS - 8.7)  # the window's parameter for this attenuation (Kaiser's formulas)
# Of half the lower rate: the middle of where the filter falls.
_CUTOFF = (1 + _PASSES) / 2
# Samples that are read at once: more than a filter is long, so that little is read twice.
_BLOCK = 4096

_Product = Callable[[Sequence[float], Sequence[float]], float]
# From Python 3.12 on there is one in C.
_sum_of_products: _Product = getattr(math, "sumprod", None) or (lambda some, others: sum(map(mul, some, others)))


def resample(samples: Sequence[float], rate: int, to_rate: int) -> Sequence[float]:
    """Return samples taken ``rate`` times a second as they would be at ``to_rate`` (Hz)."""
    if rate == to_rate:
        return samples
    common = math.gcd(rate, to_rate)
    up, down = to_rate // common, rate // common
    half = math.ceil((_DECIBELS - 8) / (2.285 * math.pi * (1 - _PASSES)) * max(1.0, rate / to_rate) / 2)
    cutoff = _CUTOFF * min(1.0, to_rate / rate)
    phases = [_phase(number / up, half, cutoff) for number in range(up)]
    turns = math.ceil(_BLOCK / down)
    # Of the outputs of one block, each with the first input that it is made of.
    block = [(n * down // up, phases[n * down % up]) for n in range(turns * up)]
    padded = array("d", bytes(8 * (half - 1))) + array("d", samples) + array("d", bytes(8 * (turns * down + 2 * half)))
    resampled = array("d")
    for first in range(0, len(samples), turns * down):
        window = padded[first : first + turns * down + 2 * half].tolist()
        resampled.extend([_sum_of_products(phase, window[at : at + 2 * half]) for at, phase in block])
    return resampled[: math.ceil(len(samples) * up / down)]


def _phase(late: float, half: int, cutoff: float) -> list[float]:
    """Return the weights of ``2 * half`` inputs for an output that is ``late`` (of an input's distance) after the
    middle one on the left.
    """
    weights = [_weight(n - late, half, cutoff) for n in range(1 - half, half + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]


def _weight(distance: float, half: int, cutoff: float) -> float:
    turn = math.pi * cutoff * distance
    sinc = math.sin(turn) / turn if turn else 1.0
    inside = 1 - (distance / half) ** 2
    return sinc * _bessel(_KAISER * math.sqrt(max(0.0, inside)))


def _bessel(x: float) -> float:
    """Return the modified Bessel function of the first kind and order 0."""
    total = term = 1.0
    n = 0
    while term > total * 1e-12:
        n += 1
        term *= (x / 2 / n) ** 2
        total += term
    return total
