"""Audio formats of Settings into playing time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.audio import AudioFormat, audio_format

RATES = st.sampled_from([8000, 16000, 22050, 24000, 44100, 48000])


@pytest.mark.parametrize(
    ("encoding", "bytes_per_second"), [("linear16", 32000), ("linear32", 64000), ("mulaw", 16000), ("alaw", 16000)]
)
def test_a_second_of_each_encoding(encoding: str, bytes_per_second: int) -> None:
    assert AudioFormat(encoding, 16000).milliseconds(bytes_per_second) == 1000


@pytest.mark.parametrize("encoding", ["opus", "mp3", "flac", "aac", "unknown"])
def test_bytes_of_a_compressed_encoding_tell_no_time(encoding: str) -> None:
    assert AudioFormat(encoding, 16000).milliseconds(1) is None


@pytest.mark.parametrize("encoding", ["linear16", "opus"])
def test_no_bytes_play_for_no_time(encoding: str) -> None:
    assert AudioFormat(encoding, 16000).milliseconds(0) == 0


@given(st.sampled_from(["linear16", "linear32", "mulaw", "alaw"]), RATES, st.integers(0, 10_000_000))
def test_time_grows_with_the_bytes_and_is_a_millisecond_off_at_most(encoding: str, rate: int, size: int) -> None:
    format_ = AudioFormat(encoding, rate)
    milliseconds = format_.milliseconds(size)
    assert milliseconds is not None
    assert format_.bytes_per_sample is not None
    exact = size / format_.bytes_per_sample / rate * 1000
    assert exact - 1 < milliseconds <= exact + 1e-6


def test_each_direction_has_its_own_format() -> None:
    settings_ = {"audio": {"input": {"encoding": "mulaw", "sample_rate": 8000}, "output": {"encoding": "opus"}}}
    assert audio_format(settings_, "input") == AudioFormat("mulaw", 8000)
    assert audio_format(settings_, "output") == AudioFormat("opus", 24000)


@pytest.mark.parametrize("settings_", [{}, {"audio": None}, {"audio": {}}, {"audio": {"input": None}}, {"audio": []}])
def test_without_a_block_it_is_the_vendors_default(settings_: dict[str, Any]) -> None:
    assert audio_format(settings_, "input") == AudioFormat("linear16", 24000)


@pytest.mark.parametrize("block", [{"encoding": 5}, {"sample_rate": 0}, {"sample_rate": -1}, {"sample_rate": "8000"}])
def test_a_block_that_makes_no_sense_is_unknown_not_zero(block: dict[str, Any]) -> None:
    assert audio_format({"audio": {"input": block}}, "input").milliseconds(100) is None
