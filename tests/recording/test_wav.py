"""WAV files: other programs read them, before and after their sizes are known."""

from __future__ import annotations

import contextlib
import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.recording.wav import WavFile, read_wav, wav_audio, wav_header, without_headers
from pytest_dgbudget.rules.audio import AudioFormat

ENCODINGS = st.sampled_from(["linear16", "linear32", "mulaw", "alaw"])


@given(encoding=ENCODINGS, rate=st.integers(1, 192_000), audio=st.binary(max_size=50), known=st.booleans())
def test_audio_is_read_back_whether_its_size_is_known_or_not(
    encoding: str, rate: int, audio: bytes, known: bool
) -> None:
    header = wav_header(AudioFormat(encoding, rate), len(audio) if known else None)
    assert header is not None
    assert wav_audio(header + audio + (b"\0" if known and len(audio) % 2 else b"")) == audio


def test_a_header_has_the_same_length_before_and_after() -> None:
    for encoding in ("linear16", "linear32", "mulaw", "alaw"):
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


@pytest.mark.parametrize(
    ("encoding", "tag", "header_size"), [("linear16", 1, 44), ("linear32", 3, 58), ("alaw", 6, 58), ("mulaw", 7, 58)]
)
def test_the_header_names_the_encoding(encoding: str, tag: int, header_size: int) -> None:
    header = wav_header(AudioFormat(encoding, 8000), 10)
    assert header is not None
    assert len(header) == header_size
    assert header[20:24] == bytes([tag, 0, 1, 0])
    assert int.from_bytes(header[4:8], "little") == header_size - 8 + 10


@pytest.mark.parametrize("encoding", ["opus", "mp3", "unknown"])
def test_what_goes_into_no_wav_file_has_no_header(encoding: str) -> None:
    assert wav_header(AudioFormat(encoding, 8000)) is None


def test_a_sample_rate_that_no_header_can_hold_has_none() -> None:
    assert wav_header(AudioFormat("linear16", 10**12)) is None


def test_a_file_that_is_cut_in_its_header_has_no_audio() -> None:
    header = wav_header(AudioFormat())
    assert header is not None
    with pytest.raises(ValueError, match="no audio"):
        wav_audio(header[:20])


# Files of others


def file_of(fields: bytes, audio: bytes, *, between: bytes = b"", size: int | None = None) -> bytes:
    """Return a WAV file with these fields of its format."""
    chunks = b"fmt " + struct.pack("<I", len(fields)) + fields + between
    data = b"data" + struct.pack("<I", len(audio) if size is None else size) + audio
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + len(data)) + b"WAVE" + chunks + data


def fields_of(tag: int, channels: int, rate: int, bits: int) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)


STEREO = fields_of(1, 2, 44_100, 24)


@pytest.mark.parametrize(
    "between",
    [b"", b"LIST" + struct.pack("<I", 3) + b"abc\0"],
    ids=["nothing", "a chunk of an odd size"],
)
@pytest.mark.parametrize("size", [None, 0, 0xFFFFFFFF, 0x7FFFFFFF], ids=str)
def test_a_file_is_read_whatever_stands_before_its_audio_and_as_its_size(between: bytes, size: int | None) -> None:
    found = read_wav(file_of(STEREO, b"abcdefghijkl", between=between, size=size))
    assert found == WavFile(tag=1, channels=2, rate=44_100, bits=24, audio=b"abcdefghijkl")


def test_an_extensible_file_has_the_format_of_its_extension() -> None:
    extension = struct.pack("<HHI", 22, 32, 4) + struct.pack("<H", 3) + bytes(14)
    assert read_wav(file_of(fields_of(0xFFFE, 1, 8000, 32) + extension, bytes(8))).tag == 3


def test_samples_that_are_cut_short_are_left_out() -> None:
    assert read_wav(file_of(STEREO, b"abcdefgh")).audio == b"abcdef"


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "does not begin with a RIFF header"),
        (b"OggS" + bytes(40), "does not begin with a RIFF header"),
        (file_of(STEREO, b"")[:30], "there is no audio in it"),
        (file_of(b"", b"abcdef"), "does not say what format it has"),
        (file_of(fields_of(1, 0, 8000, 16), b"abcdef"), "0 channels of 16 bits at 8000 Hz"),
        (file_of(fields_of(1, 1, 0, 16), b"abcdef"), "1 channels of 16 bits at 0 Hz"),
    ],
)
def test_what_is_no_wav_file_says_why(file: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_wav(file)


@given(st.binary(max_size=200))
def test_a_header_that_is_spoiled_is_an_error_at_most(noise: bytes) -> None:
    with contextlib.suppress(ValueError):
        read_wav(b"RIFF\0\0\0\0WAVE" + noise)


@pytest.mark.parametrize("size", [None, 0, 6], ids=["unknown", "none", "known"])
def test_audio_of_several_replies_has_no_header_left(size: int | None) -> None:
    header = wav_header(AudioFormat("linear16", 16_000), size)
    assert header is not None
    assert without_headers(header + b"abcdef" + header + b"ghijkl") == b"abcdefghijkl"
    assert without_headers(b"before" + header + b"ghij" + header[:30]) == b"beforeghij"
    assert without_headers(b"abcdef") == b"abcdef"
    assert without_headers(b"") == b""
