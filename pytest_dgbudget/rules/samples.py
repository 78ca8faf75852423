"""Audio into samples and back, in the encodings of which bytes per sample are known. Pure.

A sample is a number from -32768 to 32767 whatever the encoding; that of linear32 may have a fraction. linear16 is
little-endian, linear32 little-endian floating point from -1 to 1 (vendor's page "Encoding"), mulaw and alaw are those
of ITU-T G.711.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

LEAST, MOST = -32768, 32767
_FULL_SCALE = 32768
# What is no sound.
_SILENCE = {"linear16": bytes(2), "linear32": bytes(4), "mulaw": b"\xff", "alaw": b"\xd5"}

SAMPLED = tuple(_SILENCE)


def decode(encoding: str, audio: bytes) -> Sequence[float]:
    """Return the samples of whole samples' bytes; integers, but in linear32."""
    if encoding == "linear16":
        return little_endian("h", audio)
    if encoding == "linear32":
        return [max(-1.0, min(1.0, value)) * _FULL_SCALE for value in little_endian("f", audio)]
    return list(map(_G711[encoding].__getitem__, audio))


def encode(encoding: str, samples: Sequence[float]) -> bytes:
    """Turn samples into audio; what is beyond full scale is clipped, what has a fraction rounded, but in linear32."""
    if encoding == "linear32":
        return _bytes_of("f", [clipped(sample) / _FULL_SCALE for sample in samples])
    whole = [round(clipped(sample)) for sample in samples]
    if encoding == "linear16":
        return _bytes_of("h", whole)
    compress = _to_mulaw if encoding == "mulaw" else _to_alaw
    return bytes(map(compress, whole))


def silence(encoding: str, samples: int) -> bytes:
    """Return so many samples of no sound; nothing in an encoding whose bytes have no fixed duration."""
    return _SILENCE.get(encoding, b"") * samples


def clipped(sample: float) -> float:
    return LEAST if sample < LEAST else min(sample, MOST)


def little_endian(typecode: str, audio: bytes) -> array[float]:
    """Return the numbers of an array's type that these bytes are."""
    numbers: array[float] = array(typecode, audio)
    return _swapped(numbers)


def _bytes_of(typecode: str, samples: Sequence[float]) -> bytes:
    numbers: array[float] = array(typecode, samples)
    return _swapped(numbers).tobytes()


def _swapped(numbers: array[float]) -> array[float]:
    """Turn little-endian into this machine's order, or back."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


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


_G711 = {"mulaw": tuple(map(_from_mulaw, range(256))), "alaw": tuple(map(_from_alaw, range(256)))}
