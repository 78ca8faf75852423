"""Audio into samples and back."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.samples import SAMPLED, decode, encode, silence


# ITU-T G.711, tables 1 and 2: both ends, both zeros, and values in between.
@pytest.mark.parametrize(
    ("encoding", "byte", "sample"),
    [
        ("mulaw", 0xFF, 0), ("mulaw", 0x7F, 0), ("mulaw", 0x80, 32124), ("mulaw", 0x00, -32124), ("mulaw", 0xB0, 3900),
        ("mulaw", 0x40, -1884), ("alaw", 0xD5, 8), ("alaw", 0x55, -8), ("alaw", 0xAA, 32256), ("alaw", 0x2A, -32256),
    ],
)  # fmt: skip
def test_g711(encoding: str, byte: int, sample: int) -> None:
    assert list(decode(encoding, bytes([byte]))) == [sample]


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_g711_survives_a_round_trip(encoding: str) -> None:
    samples = decode(encoding, bytes(range(256)))
    assert list(decode(encoding, encode(encoding, samples))) == list(samples)


@given(st.integers(-32768, 32767), st.sampled_from(["mulaw", "alaw"]))
def test_g711_is_close(sample: int, encoding: str) -> None:
    (heard,) = decode(encoding, encode(encoding, [sample]))
    assert abs(heard - sample) <= max(abs(sample) / 16, 16)


@given(st.lists(st.integers(-32768, 32767)), st.sampled_from(["linear16", "linear32"]))
def test_linear_audio_loses_nothing_of_whole_samples(samples: list[int], encoding: str) -> None:
    assert list(decode(encoding, encode(encoding, samples))) == samples


def test_linear_audio_is_little_endian() -> None:
    assert encode("linear16", [1, -2]) == b"\1\0\xfe\xff"
    assert encode("linear32", [16384, -8192.5]) == struct.pack("<2f", 0.5, -8192.5 / 32768)


@pytest.mark.parametrize("encoding", SAMPLED)
def test_what_is_beyond_full_scale_is_clipped(encoding: str) -> None:
    assert encode(encoding, [40_000, -40_000]) == encode(encoding, [32767, -32768])


def test_floating_point_beyond_full_scale_or_no_number_is_at_most_full_scale() -> None:
    audio = struct.pack("<4f", 7.0, -math.inf, math.inf, math.nan)
    assert list(decode("linear32", audio))[:3] == [32768, -32768, 32768]
    assert abs(decode("linear32", audio)[3]) == 32768


@pytest.mark.parametrize(("encoding", "loudest"), [("linear16", 0), ("linear32", 0), ("mulaw", 0), ("alaw", 8)])
def test_silence_is_what_the_encoding_has_for_it(encoding: str, loudest: int) -> None:
    assert list(decode(encoding, silence(encoding, 3))) == [loudest] * 3
    assert silence("opus", 3) == b""
