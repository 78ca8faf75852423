"""The frame reader against frames built and read by the websockets library, cut wherever a network may cut them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close as LibraryClose
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from pytest_dgbudget.gateway import frames
from pytest_dgbudget.gateway.frames import BINARY, CLOSE, TEXT, Close, FrameReader, close_frame, frame

PING = 0x9
LONGEST_HEADER = 14
# Bounds that small messages reach, too.
SMALL_READ, SMALL_WHOLE = 150, 100


@dataclass
class Stream:
    """What one side sends, and what the reader should make of it."""

    masked: bool
    frames: list[Frame] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    binary_bytes: int = 0

    @property
    def pieces(self) -> list[bytes]:
        return [frame.serialize(mask=self.masked) for frame in self.frames]


PAYLOADS = st.binary(max_size=200) | st.builds(lambda unit, n: unit * n, st.binary(max_size=3), st.integers(0, 30_000))
CONTROLS = st.lists(st.builds(Frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)), max_size=1)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Messages whole and in fragments, with control frames anywhere between."""
    stream = Stream(masked=draw(st.booleans()))
    for opcode in draw(st.lists(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), max_size=5)):
        fragments = draw(st.lists(PAYLOADS, min_size=1, max_size=3))
        for number, payload in enumerate(fragments):
            stream.frames += draw(CONTROLS)
            final = number == len(fragments) - 1
            stream.frames.append(Frame(opcode if number == 0 else Opcode.CONT, payload, fin=final))
        if opcode is Opcode.TEXT:
            stream.texts.append(b"".join(fragments))
        else:
            stream.binary_bytes += sum(map(len, fragments))
    stream.frames += draw(CONTROLS)
    return stream


CUTS = st.lists(st.integers(0, 2**32), max_size=12)


def cut(data: bytes, at: list[int]) -> Iterator[bytes]:
    """Cut a stream at these places; a few bytes are cut into single ones."""
    places = range(len(data) + 1) if len(data) < 60 else sorted({0, len(data), *(n % (len(data) + 1) for n in at)})
    for begin, end in pairwise(places):
        yield data[begin:end]


@contextmanager
def small_bounds(wanted: bool) -> Iterator[int]:
    """Yield how long a text may be to be read."""
    if not wanted:
        yield 1024 * 1024
        return
    with patch.multiple(frames, _READ_UP_TO=SMALL_READ, _WHOLE_UP_TO=SMALL_WHOLE):
        yield SMALL_READ


def read_frames(data: bytes, *, masked: bool) -> list[Frame]:
    """Let the library read whole frames."""
    reader = StreamReader()
    reader.feed_data(data)
    read = []
    while reader.buffer:
        with pytest.raises(StopIteration) as whole:
            next(Frame.parse(reader.read_exact, mask=masked))
        read.append(whole.value.value)
    return read


# What passes


@settings(deadline=None)
@given(streams(), CUTS, st.booleans())
def test_every_byte_passes_and_every_text_that_is_short_enough_is_read_whole(
    stream: Stream, cuts: list[int], small: bool
) -> None:
    texts: list[bytes] = []
    with small_bounds(small) as limit:
        reader = FrameReader(reader_of(texts), holding=False)
        sent = b"".join(stream.pieces)
        assert b"".join(reader.feed(data) for data in cut(sent, cuts)) == sent
    assert texts == [text for text in stream.texts if len(text) <= limit]
    assert reader.binary_bytes == stream.binary_bytes
    assert (reader.close, reader.too_big, reader.inside_frame) == (None, False, False)


@settings(deadline=None)
@given(streams(), CUTS, st.booleans())
def test_it_knows_when_what_passed_ends_inside_a_frame(stream: Stream, cuts: list[int], small: bool) -> None:
    boundaries = {0, *accumulate(map(len, stream.pieces))}
    passed = 0
    with small_bounds(small):
        reader = FrameReader(reader_of([]), holding=False)
        for data in cut(b"".join(stream.pieces), cuts):
            passed += len(reader.feed(data))
            assert reader.inside_frame == (passed not in boundaries)


@settings(deadline=None)
@given(streams(), st.none() | st.text(max_size=30), st.integers(3000, 4999), streams(), CUTS)
def test_the_close_and_what_follows_never_pass(
    before: Stream, reason: str | None, code: int, after: Stream, cuts: list[int]
) -> None:
    payload = b"" if reason is None else LibraryClose(code, reason).serialize()
    sent = b"".join(before.pieces)
    close = Frame(Opcode.CLOSE, payload).serialize(mask=before.masked)
    reader = FrameReader(reader_of([]), holding=False)
    stream = sent + close + b"".join(after.pieces)
    assert b"".join(reader.feed(data) for data in cut(stream, cuts)) == sent
    assert reader.close == (Close(1005, "") if reason is None else Close(code, reason))
    assert reader.binary_bytes == before.binary_bytes


def test_a_reason_that_is_no_utf8_can_still_be_read() -> None:
    reader = FrameReader(reader_of([]), holding=False)
    reader.feed(frame(CLOSE, b"\x03\xe8\xff", mask=True))
    assert reader.close == Close(1000, "\ufffd")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 200_000])
def test_a_long_audio_frame_passes_as_it_comes_and_a_short_one_whole(size: int) -> None:
    sent = frame(BINARY, bytes(size), mask=True)
    reader = FrameReader(reader_of([]), holding=False)
    first = reader.feed(sent[:-1])
    assert first == (sent[:-1] if size > 65536 else b"")
    assert first + reader.feed(sent[-1:]) == sent


@settings(deadline=None)
@given(st.integers(126, 1000), st.booleans(), CUTS)
def test_a_control_frame_that_is_too_long_passes_for_the_other_side_to_refuse(
    size: int, masked: bool, cuts: list[int]
) -> None:
    sent = frame(BINARY, b"audio", mask=masked) + frame(PING, bytes(size), mask=masked) + frame(TEXT, b"t", mask=masked)
    texts: list[bytes] = []
    reader = FrameReader(reader_of(texts), holding=False)
    assert b"".join(reader.feed(data) for data in cut(sent, cuts)) == sent
    assert (texts, reader.binary_bytes, reader.close) == ([b"t"], 5, None)


# Holding


@settings(deadline=None)
@given(streams(), CUTS)
def test_while_holding_what_replaces_a_text_goes_out_in_its_place(stream: Stream, cuts: list[int]) -> None:
    reader = FrameReader(lambda text: frame(TEXT, b"new " + text, mask=stream.masked), holding=True)
    passed = b"".join(reader.feed(data) for data in cut(b"".join(stream.pieces), cuts))
    read = read_frames(passed, masked=stream.masked)
    assert [f.data for f in read if f.opcode is Opcode.TEXT] == [b"new " + text for text in stream.texts]
    assert b"".join(others(read)) == b"".join(others(stream.frames))
    assert reader.binary_bytes == stream.binary_bytes


def others(sent: list[Frame]) -> Iterator[bytes]:
    """Yield every frame that is of no text, as it is on the wire."""
    in_text = False
    for one in sent:
        if one.opcode in (Opcode.TEXT, Opcode.BINARY):
            in_text = one.opcode is Opcode.TEXT
        if one.opcode in (Opcode.PING, Opcode.PONG) or not in_text:
            yield one.serialize(mask=False)


def test_held_text_stays_in_its_place_among_audio() -> None:
    a, b = frame(BINARY, b"a", mask=False), frame(BINARY, b"b", mask=False)
    reader = FrameReader(lambda _: b"<new>", holding=True)
    assert reader.feed(a + frame(TEXT, b"t", mask=True) + b) == a + b"<new>" + b


def test_when_it_holds_no_more_texts_pass_as_they_came() -> None:
    sent = frame(TEXT, b"second", mask=True)

    def on_text(text: bytes) -> bytes:
        reader.holding = False
        return b"<" + text + b">"

    reader = FrameReader(on_text, holding=True)
    assert reader.feed(frame(TEXT, b"first", mask=True) + sent) == b"<first>" + sent


@pytest.mark.parametrize("fragments", [[101], [60, 60], [100, 1]])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_text_that_is_too_long_to_hold_is_too_big(fragments: list[int], at_once: bool) -> None:
    reader = FrameReader(lambda text: text, holding=True, hold_up_to=100)
    pieces = [
        Frame(Opcode.CONT if number else Opcode.TEXT, bytes(size), fin=number == len(fragments) - 1).serialize(
            mask=True
        )
        for number, size in enumerate(fragments)
    ]
    sent = b"".join(pieces)
    for data in [sent] if at_once else cut(sent, list(range(0, len(sent), 7))):
        assert reader.feed(data) == b""
    assert reader.too_big


def test_while_holding_only_texts_are_held() -> None:
    sent = frame(0x3, b"?", mask=True)
    assert FrameReader(lambda text: text, holding=True).feed(sent) == sent


# Whatever comes


@st.composite
def almost_frames(draw: st.DrawFn) -> bytes:
    """A header that may promise anything, and some bytes."""
    size = draw(st.sampled_from([0, 1, 125, 126, 127, 128, 253, 254, 255]))
    promised = draw(st.sampled_from([0, 5, 149, 151, 70_000, 2**63, 2**64 - 1])).to_bytes(8, "big")
    return (
        bytes([draw(st.integers(0, 255)), size])
        + promised[-draw(st.sampled_from([2, 8])) :]
        + bytes(draw(st.integers(0, 400)))
    )


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary() | almost_frames(), max_size=20), st.booleans())
def test_no_garbage_breaks_it_or_makes_it_keep_more_than_its_bounds(garbage: list[bytes], holding: bool) -> None:
    with small_bounds(True) as limit:
        reader = FrameReader(lambda text: text, holding=holding, hold_up_to=limit)
        for data in garbage:
            if not reader.too_big:
                reader.feed(data)
                assert reader.too_big or kept(reader) <= limit + LONGEST_HEADER + len(reader._message or b"")
                assert len(reader._message or b"") <= limit


def kept(reader: FrameReader) -> int:
    return len(reader._rest) + len(reader._message or b"")


def test_nothing_is_kept_behind_what_is_too_big() -> None:
    reader = FrameReader(lambda text: text, holding=True, hold_up_to=100)
    reader.feed(frame(TEXT, bytes(1000), mask=True)[:50])
    assert reader.too_big
    for _ in range(10):
        reader.feed(bytes(10_000))
    assert kept(reader) <= 1000


# Building


@settings(deadline=None)
@given(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), PAYLOADS, st.booleans())
def test_the_library_reads_what_we_build(opcode: Opcode, payload: bytes, masked: bool) -> None:
    assert read_frames(frame(opcode, payload, mask=masked), masked=masked) == [Frame(opcode, payload)]


@settings(deadline=None)
@given(st.integers(3000, 4999), st.text(max_size=60) | st.integers(100, 130).map("x".__mul__), st.booleans())
def test_a_reason_is_cut_to_what_a_close_may_hold(code: int, reason: str, masked: bool) -> None:
    (built,) = read_frames(close_frame(Close(code, reason), mask=masked), masked=masked)
    close = LibraryClose.parse(built.data)
    assert close.code == code
    assert reason.startswith(close.reason)
    assert close.reason == reason or len(reason[: len(close.reason) + 1].encode()) > 123


def test_no_code_is_an_empty_close() -> None:
    assert read_frames(close_frame(Close(1005, ""), mask=True), masked=True) == [Frame(Opcode.CLOSE, b"")]


def reader_of(texts: list[bytes]) -> Callable[[bytes], bytes]:
    def on_text(text: bytes) -> bytes:
        texts.append(text)
        return b""

    return on_text
