"""WAV files: other programs read them, before and after their sizes are known."""

from __future__ import annotations

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.recording.wav import wav_audio, wav_header
from pytest_dgbudget.rules.audio import AudioFormat

ENCODINGS = st.sampled_from(["linear16", "mulaw", "alaw"])


@given(encoding=ENCODINGS, rate=st.integers(1, 192_000), audio=st.binary(max_size=50), known=st.booleans())
def test_audio_is_read_back_whether_its_size_is_known_or_not(
    encoding: str, rate: int, audio: bytes, known: bool
) -> None:
    header = wav_header(AudioFormat(encoding, rate), len(audio) if known else None)
    assert header is not None
    assert wav_audio(header + audio + (b"\0" if known and len(audio) % 2 else b"")) == audio


def test_a_header_has_the_same_length_before_and_after() -> None:
    for encoding in ("linear16", "mulaw", "alaw"):
        before, after = wav_header(AudioFormat(encoding, 8000)), wav_header(AudioFormat(encoding, 8000), 77)
        assert before is not None
        assert after is not None
        assert len(before) == len(after)


def test_python_reads_linear16() -> None:
    header = wav_header(AudioFormat("linear16", 16_000), 6)
    assert header is not None
    with wave.open(io.BytesIO(header + b"abcdef"), "rb") as file:
        assert file.getparams()[:4] == (1, 2, 16_000, 3)
        assert file.readframes(3) == b"abcdef"


@pytest.mark.parametrize(("encoding", "tag", "header_size"), [("linear16", 1, 44), ("alaw", 6, 58), ("mulaw", 7, 58)])
def test_the_header_names_the_encoding(encoding: str, tag: int, header_size: int) -> None:
    header = wav_header(AudioFormat(encoding, 8000), 10)
    assert header is not None
    assert len(header) == header_size
    assert header[20:24] == bytes([tag, 0, 1, 0])
    assert int.from_bytes(header[4:8], "little") == header_size - 8 + 10


@pytest.mark.parametrize("encoding", ["linear32", "opus", "mp3", "unknown"])
def test_what_goes_into_no_wav_file_has_no_header(encoding: str) -> None:
    assert wav_header(AudioFormat(encoding, 8000)) is None


def test_a_sample_rate_that_no_header_can_hold_has_none() -> None:
    assert wav_header(AudioFormat("linear16", 10**12)) is None


def test_a_file_that_is_cut_in_its_header_has_no_audio() -> None:
    header = wav_header(AudioFormat())
    assert header is not None
    with pytest.raises(ValueError, match="no audio"):
        wav_audio(header[:20])
