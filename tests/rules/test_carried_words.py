"""Words that audio carries: they survive whatever keeps its bytes, and audio without any is never taken for words."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.client.spoken_text import spoken
from pytest_dgbudget.recording.wav import read_wav, wav_header
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.carried_words import COPIES, WordReader, carry, packet, pieces_of
from pytest_dgbudget.rules.samples import SAMPLED, decode, silence

FORMATS = st.builds(AudioFormat, st.sampled_from(SAMPLED), st.sampled_from([1000, 8000, 11025, 16_000]))
TEXTS = st.text(max_size=40).filter(lambda text: text.strip() != "")
MULAW = AudioFormat("mulaw", 8000)


def said(text: str, format_: AudioFormat) -> bytes:
    return b"".join(spoken(text, format_))


def heard(audio: bytes, format_: AudioFormat, cuts: list[int] | None = None) -> str | None:
    """Return the words in audio that arrives in pieces between these places."""
    reader = WordReader(format_)
    places = sorted({0, len(audio), *(cut % (len(audio) + 1) for cut in cuts or ())})
    for start, end in pairwise(places):
        reader.add(audio[start:end])
    return reader.take()


@given(st.text())
def test_the_pieces_of_a_text_are_all_of_it_and_short(text: str) -> None:
    assert "".join(pieces_of(text)) == text
    assert all(len(piece) <= 32 for piece in pieces_of(text))


@given(text=TEXTS, format_=FORMATS, cuts=st.lists(st.integers(0), max_size=12))
def test_any_text_is_heard_in_any_encoding_at_any_rate_in_any_chunks(
    text: str, format_: AudioFormat, cuts: list[int]
) -> None:
    assert heard(said(text, format_), format_, cuts) == text


def test_one_byte_at_a_time_is_heard() -> None:
    audio = said("Wo ist meine Bestellung?", MULAW)
    assert heard(audio, MULAW, list(range(len(audio)))) == "Wo ist meine Bestellung?"


@given(audio=st.binary(max_size=3000), format_=FORMATS)
def test_audio_that_carries_none_is_never_taken_for_words(audio: bytes, format_: AudioFormat) -> None:
    assert heard(audio, format_) is None


@given(st.integers(0, 143), st.integers(0, 7))
def test_a_packet_with_a_wrong_bit_is_not_heard(place: int, other: int) -> None:
    bits = bytearray(packet(0, 0, "order"))
    bits[place % len(bits)] ^= 1
    audio = bytearray(silence("mulaw", len(bits) + other))
    carry(bytes(bits), audio, 1, other)
    assert heard(bytes(audio), MULAW) is None


@pytest.mark.parametrize("lost", [1, 7, 400, 1500])
@pytest.mark.parametrize("format_", [MULAW, AudioFormat("linear16", 16_000)])
def test_a_beginning_that_is_cut_off_loses_no_words(lost: int, format_: AudioFormat) -> None:
    width = format_.bytes_per_sample or 0
    assert heard(said("Where is my order?", format_)[lost * width :], format_) == "Where is my order?"


@pytest.mark.parametrize("left", [32, 60, 100])
def test_a_packet_that_is_cut_off_hides_none_that_follows(left: int) -> None:
    bits = packet(0, 0, "order")[:left] + packet(0, 0, "order")
    audio = bytearray(silence("mulaw", len(bits) + 3000))
    carry(bits, audio, 1, 0)
    assert heard(bytes(audio), MULAW) == "order"


def test_what_is_broken_off_is_heard_up_to_there() -> None:
    pieces = list(spoken("one two three four", MULAW))
    assert heard(b"".join(pieces[:2]), MULAW) == "one two "
    assert heard(b"".join(pieces[:2]) + pieces[2][:200], MULAW) == "one two three "
    assert heard(pieces[0][:800], MULAW) is None


@given(st.lists(st.sampled_from(["yes", "Where is it?", "no no"]), min_size=1, max_size=4))
def test_texts_in_a_row_are_heard_one_after_another(texts: list[str]) -> None:
    audio = silence("mulaw", 900).join(said(text, MULAW) for text in texts)
    assert heard(audio, MULAW) == " ".join(texts)


def test_words_are_heard_once() -> None:
    reader, audio = WordReader(MULAW), said("yes", MULAW)
    reader.add(audio[:1000])
    assert reader.take() == "yes"
    reader.add(audio[1000:])
    assert reader.take() is None


def test_a_saved_file_still_has_the_words() -> None:
    format_ = AudioFormat("linear16", 24_000)
    audio = said("Ça va? 好", format_)
    header = wav_header(format_, len(audio))
    assert header is not None
    assert heard(read_wav(header + audio).audio, format_) == heard(header + audio, format_) == "Ça va? 好"


@pytest.mark.parametrize("encoding", ["linear16", "linear32"])
def test_nobody_can_hear_them(encoding: str) -> None:
    format_ = AudioFormat(encoding, 8000)
    audio = said("a", format_)
    plain = bytearray(audio)
    width = format_.bytes_per_sample or 0
    carry(b"0" * (len(audio) // width), plain, width, 0)
    assert plain != audio
    loudest = max(abs(a - b) for a, b in zip(decode(encoding, audio), decode(encoding, bytes(plain)), strict=True))
    assert 20 * math.log10(loudest / 32768) < -90


def test_audio_whose_bytes_have_no_fixed_duration_carries_none() -> None:
    assert heard(bytes(1000), AudioFormat("opus", 48_000)) is None


def test_a_piece_has_as_many_copies_as_have_room() -> None:
    audio = said("yes", MULAW)
    reader, positions = WordReader(MULAW), set()
    for start in range(0, len(audio), 8):
        reader.add(audio[start : start + 8])
        positions.add(reader._last)
    assert positions == {-1, *range(COPIES - 2)}
