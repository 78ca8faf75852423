"""The frame reader against the websockets library's own, on streams that are cut wherever a network may cut them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Close as LibraryClose
from websockets.frames import Frame, Opcode

from pytest_dgbudget.gateway import frames
from pytest_dgbudget.gateway.frames import BINARY, CLOSE, CONTINUATION, TEXT, Close, FrameReader, close_frame, frame
from tests.support.slow import slow

from .streams import (
    CUTS,
    LAWLESS,
    PAYLOADS,
    Reading,
    Sent,
    Stream,
    cut,
    cut_at,
    library_frames,
    read_by_library,
    streams,
)

PING = 0x9
LONGEST_HEADER = 14
# Bounds that small messages reach, too.
SMALL_READ, SMALL_WHOLE = 150, 100
READ, WHOLE = 64 * 1024, 64 * 1024
MIB = 1024 * 1024
KEY = b"\x01\x80\xff\x7e"


@contextmanager
def small_bounds(wanted: bool) -> Iterator[int]:
    """Yield how long a text may be to be read."""
    if not wanted:
        yield READ
        return
    with patch.multiple(frames, _READ_UP_TO=SMALL_READ, _WHOLE_UP_TO=SMALL_WHOLE):
        yield SMALL_READ


class Reader:
    """A frame reader that keeps what it passed, and the texts that it read; a held text passes in brackets."""

    def __init__(self, *, holding: bool, hold_up_to: int = READ) -> None:
        self.texts: list[bytes] = []
        self.skipped: list[int] = []
        self._passed = bytearray()
        self.frames = FrameReader(self._read, holding=holding, hold_up_to=hold_up_to, skipped=self.skipped.append)

    def _read(self, text: bytes) -> bytes:
        self.texts.append(text)
        return in_brackets(text)

    def feed(self, pieces: Iterable[bytes]) -> Reader:
        for piece in pieces:
            self._passed += self.frames.feed(piece)
        return self

    @property
    def passed(self) -> bytes:
        return bytes(self._passed)

    @property
    def kept(self) -> int:
        return len(self.frames._rest) + len(self.frames._message or b"")

    @property
    def made_of_it(self) -> tuple[Any, ...]:
        reader = self.frames
        return (self.passed, self.texts, reader.binary_bytes, reader.close, self.skipped, reader._passing)


def in_brackets(text: bytes) -> bytes:
    return b"<" + text + b">"


def passes_while_holding(reading: Reading) -> bytes:
    texts = iter(reading.texts)
    return b"".join(in_brackets(next(texts)) if part is None else part for part in reading.parts)


# Against the library


@given(streams(), CUTS, st.booleans())
def test_it_finds_what_the_library_finds_however_the_stream_is_cut(
    stream: Stream, cuts: list[int], small: bool
) -> None:
    by_library = read_by_library(stream)
    wire = stream.wire
    with small_bounds(small) as limit:
        reader = Reader(holding=False)
        for piece in cut(wire, cuts):
            reader.feed([piece])
            assert reader.frames.inside_frame == (len(reader.passed) not in by_library.ends)
    assert reader.passed == wire[: by_library.ends[-1]]
    assert reader.texts == [text for text in by_library.texts if len(text) <= limit]
    assert reader.frames.binary_bytes == by_library.binary_bytes
    assert reader.frames.binary_frames == by_library.binary_frames
    assert (reader.frames.close, reader.skipped, reader.kept) == (by_library.close, [], 0)


@given(streams(), CUTS)
def test_while_holding_what_replaces_a_text_goes_out_in_its_place(stream: Stream, cuts: list[int]) -> None:
    by_library = read_by_library(stream)
    reader = Reader(holding=True, hold_up_to=MIB).feed(cut(stream.wire, cuts))
    assert reader.passed == passes_while_holding(by_library)
    assert reader.texts == by_library.texts
    assert reader.frames.binary_bytes == by_library.binary_bytes
    assert reader.frames.binary_frames == by_library.binary_frames
    assert reader.frames.close == by_library.close


SHORT_STREAMS = {
    "texts": [Sent(TEXT, b"a"), Sent(TEXT, b""), Sent(TEXT, b"bc")],
    "a text in fragments, a ping between": [
        Sent(TEXT, b"a", final=False),
        Sent(PING, b"p"),
        Sent(0, b"b"),
        Sent(2, b""),
    ],
    "audio in fragments": [Sent(BINARY, b"a", final=False), Sent(0, b"", final=False), Sent(0, b"b"), Sent(TEXT, b"c")],
    "masked": [Sent(BINARY, b"a", key=KEY), Sent(TEXT, b"", key=KEY)],
    "masked text": [Sent(TEXT, b"abcdef", key=KEY)],
    "lengths of two bytes": [Sent(BINARY, b"a", length_bytes=2), Sent(TEXT, b"b", length_bytes=2, reserved_bits=7)],
    "lengths of eight bytes": [Sent(TEXT, b"a", length_bytes=8), Sent(BINARY, b"")],
    "a close with a code": [Sent(BINARY, b"a"), Sent(CLOSE, b"\x03\xe8."), Sent(TEXT, b"c")],
    "a close without": [Sent(TEXT, b"a"), Sent(CLOSE, b"", key=b""), Sent(BINARY, b"abc")],
    "a masked close": [Sent(CLOSE, b"\x0f\xa0!", key=KEY), Sent(BINARY, b"")],
}


@pytest.mark.parametrize("sent", SHORT_STREAMS.values(), ids=SHORT_STREAMS)
@pytest.mark.parametrize("holding", [False, True])
def test_a_short_stream_comes_to_the_same_in_every_way_that_it_can_be_cut(sent: list[Sent], holding: bool) -> None:
    stream = Stream(tuple(sent), masked=bool(sent[0].key))
    by_library, wire = read_by_library(stream), stream.wire
    passes = passes_while_holding(by_library) if holding else wire[: by_library.ends[-1]]
    for cuts in range(len(wire)):
        for places in combinations(range(1, len(wire)), cuts):
            reader = Reader(holding=holding).feed(cut_at(wire, places))
            assert (reader.passed, reader.texts) == (passes, by_library.texts)
            assert reader.frames.binary_bytes == by_library.binary_bytes
            assert reader.frames.binary_frames == by_library.binary_frames
            assert reader.frames.close == by_library.close


# A client's stream while its Settings are waited for, and the vendor's.
@pytest.mark.parametrize(
    ("key", "holding"),
    [
        pytest.param(KEY, True, id="masked, held"),
        pytest.param(b"", False, id="unmasked"),
        slow(KEY, False, id="masked"),
        slow(b"", True, id="unmasked, held"),
    ],
)
def test_a_stream_comes_to_the_same_wherever_it_is_cut_twice(holding: bool, key: bytes) -> None:
    sent = [
        Sent(BINARY, b"1" * 30, key=key),
        Sent(TEXT, b"2" * 126, final=False, key=key),
        Sent(PING, b"3", key=key),
        Sent(0, b"4", length_bytes=8, key=key),
        Sent(TEXT, b"5", key=key),
        Sent(CLOSE, b"\x03\xe86", key=key),
        Sent(BINARY, b"7", key=key),
    ]
    stream = Stream(tuple(sent), masked=bool(key))
    by_library, wire = read_by_library(stream), stream.wire
    passes = passes_while_holding(by_library) if holding else wire[: by_library.ends[-1]]
    for places in combinations(range(len(wire) + 1), 2):
        reader = Reader(holding=holding).feed(cut_at(wire, places))
        assert reader.made_of_it == (passes, by_library.texts, by_library.binary_bytes, by_library.close, [], 0)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fragments", [[16 * MIB], [5 * MIB, 6 * MIB, 5 * MIB]], ids=str)
@pytest.mark.parametrize("holding", [False, True])
def test_a_message_of_16_mib_is_one_like_any_other(opcode: int, fragments: list[int], holding: bool) -> None:
    stream = Stream(
        tuple(
            Sent(0 if number else opcode, b"x" * size, final=number == len(fragments) - 1, key=KEY)
            for number, size in enumerate(fragments)
        ),
        masked=True,
    )
    by_library, wire = read_by_library(stream), stream.wire
    reader = Reader(holding=holding, hold_up_to=16 * MIB)
    reader.feed(cut_at(wire, range(100_003, len(wire), 100_003)))
    assert reader.passed == (passes_while_holding(by_library) if holding else wire)
    assert reader.texts == (by_library.texts if holding else [])
    assert reader.frames.binary_bytes == by_library.binary_bytes
    assert reader.frames.binary_frames == by_library.binary_frames


# What passes


def test_a_reason_that_is_no_utf8_can_still_be_read() -> None:
    reader = Reader(holding=False).feed([frame(CLOSE, b"\x03\xe8\xff", mask=True)])
    assert reader.frames.close == Close(1000, "\ufffd")


def test_a_close_with_half_a_code_has_none() -> None:
    assert Reader(holding=False).feed([frame(CLOSE, b"\x03", mask=True)]).frames.close == Close(1005, "")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 65537, 200_000])
def test_a_long_audio_frame_passes_as_it_comes_and_a_short_one_whole(size: int) -> None:
    sent = frame(BINARY, bytes(size), mask=True)
    reader = FrameReader(bytes, holding=False)
    first = reader.feed(sent[:-1])
    assert first == (sent[:-1] if size > 65536 else b"")
    assert first + reader.feed(sent[-1:]) == sent


@given(st.sampled_from([CLOSE, PING]), st.integers(126, 1000), st.booleans(), CUTS)
def test_a_control_frame_that_is_too_long_passes_for_the_other_side_to_refuse(
    opcode: int, size: int, masked: bool, cuts: list[int]
) -> None:
    sent = (
        frame(BINARY, b"audio", mask=masked) + frame(opcode, bytes(size), mask=masked) + frame(TEXT, b"t", mask=masked)
    )
    reader = Reader(holding=False).feed(cut(sent, cuts))
    assert reader.made_of_it == (sent, [b"t"], 5, None, [], 0)


# Holding


def test_held_text_stays_in_its_place_among_audio() -> None:
    a, b = frame(BINARY, b"a", mask=False), frame(BINARY, b"b", mask=False)
    assert Reader(holding=True).feed([a + frame(TEXT, b"t", mask=True) + b]).passed == a + b"<t>" + b


def test_when_it_holds_no_more_texts_pass_as_they_came() -> None:
    sent = frame(TEXT, b"second", mask=True)

    def on_text(text: bytes) -> bytes:
        reader.holding = False
        return in_brackets(text)

    reader = FrameReader(on_text, holding=True)
    assert reader.feed(frame(TEXT, b"first", mask=True) + sent) == b"<first>" + sent


@pytest.mark.parametrize("fragments", [[101], [60, 60], [100, 1]])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_text_that_is_too_long_to_hold_passes_unread_and_the_next_one_is_held(
    fragments: list[int], piece: int
) -> None:
    before = frame(BINARY, b"audio", mask=True)
    text = [
        Sent(0 if number else TEXT, bytes([number]) * size, final=number == len(fragments) - 1, key=KEY).wire
        for number, size in enumerate(fragments)
    ]
    sent = before + b"".join(text) + frame(TEXT, b"next", mask=True)
    reader = Reader(holding=True, hold_up_to=100).feed(cut_at(sent, range(piece, len(sent), piece)))
    assert (reader.texts, reader.frames.binary_bytes, reader.skipped) == ([b"next"], 5, [sum(fragments)])
    assert reader.passed.endswith(in_brackets(b"next"))
    passed = [each for each, _ in library_frames(reader.passed.removesuffix(in_brackets(b"next")), masked=True)]
    whole = b"".join(bytes([number]) * size for number, size in enumerate(fragments))
    assert b"".join(bytes(each.data) for each in passed) == b"audio" + whole
    assert [each.fin for each in passed[1:]] == [False] * (len(fragments) - 1) + [True]


def test_a_ping_within_a_text_that_is_too_long_passes_before_it_or_within() -> None:
    sent = [
        Sent(TEXT, bytes(60), final=False, key=KEY),
        Sent(PING, b"p", key=KEY),
        Sent(0, bytes(60), final=False, key=KEY),
        Sent(PING, b"q", key=KEY),
        Sent(0, b"", key=KEY),
    ]
    reader = Reader(holding=True, hold_up_to=100).feed([Stream(tuple(sent), masked=True).wire])
    passed = [(each.opcode, len(each.data)) for each, _ in library_frames(reader.passed, masked=True)]
    assert passed == [(PING, 1), (TEXT, 60), (0, 60), (PING, 1), (0, 0)]


def test_a_text_that_begins_inside_another_passes_after_its_beginning_for_the_vendor_to_refuse() -> None:
    sent = [Sent(TEXT, b"one", final=False, key=KEY), Sent(TEXT, b"two", key=KEY)]
    reader = Reader(holding=True).feed([Stream(tuple(sent), masked=True).wire])
    assert reader.passed.endswith(in_brackets(b"two"))
    ((beginning, _),) = library_frames(reader.passed.removesuffix(in_brackets(b"two")), masked=True)
    assert (beginning.opcode, bytes(beginning.data), beginning.fin) == (TEXT, b"one", False)


def test_a_text_that_claims_to_be_too_long_is_skipped_before_it_comes() -> None:
    begins = Sent(TEXT, bytes(101), key=KEY).wire[:6]
    reader = Reader(holding=True, hold_up_to=100).feed([begins])
    assert (reader.passed, reader.skipped, reader.kept) == (begins, [101], 0)


def test_while_holding_only_texts_are_held() -> None:
    sent = frame(0x3, b"?", mask=True)
    assert Reader(holding=True).feed([sent]).passed == sent


# Whatever comes


@st.composite
def almost_frames(draw: st.DrawFn) -> bytes:
    """A header that may promise anything, and some bytes."""
    size = draw(st.sampled_from([0, 1, 125, 126, 127, 128, 253, 254, 255]))
    promised = draw(st.sampled_from([0, 5, 149, 151, 70_000, 2**63, 2**64 - 1])).to_bytes(8, "big")
    first = draw(st.integers(0, 255) | st.sampled_from([0x00, 0x80, 0x01, 0x81, 0x82, 0x88]))
    return bytes([first, size]) + promised[-draw(st.sampled_from([2, 8])) :] + draw(st.binary(max_size=300))


@st.composite
def spoilt_streams(draw: st.DrawFn) -> bytes:
    """A stream in which some bytes are others, and that may begin and end anywhere."""
    wire = bytearray(draw(streams()).wire[: draw(st.integers(0, 2000))])
    for at in draw(st.lists(st.integers(0, 2000), max_size=5)):
        wire[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(wire)


GARBAGE = LAWLESS | st.lists(st.binary() | almost_frames() | spoilt_streams() | LAWLESS, max_size=8).map(b"".join)


@given(GARBAGE, CUTS, st.booleans(), st.booleans())
def test_what_it_makes_of_garbage_does_not_depend_on_the_cuts(
    garbage: bytes, cuts: list[int], small: bool, holding: bool
) -> None:
    # What was held of a text goes out under a key of ours, which is random otherwise.
    with small_bounds(small) as limit, patch("os.urandom", bytes):
        whole = Reader(holding=holding, hold_up_to=limit).feed([garbage])
        in_pieces = Reader(holding=holding, hold_up_to=limit).feed(cut(garbage, cuts))
    assert in_pieces.made_of_it == whole.made_of_it


@example(b"\x01~\x00\x95".ljust(4 + 149, b"\0") + b"\x01~\x00\x95".ljust(141, b"\0"), [], False)
@given(GARBAGE, CUTS, st.booleans())
def test_no_garbage_makes_it_keep_more_than_its_bounds(garbage: bytes, cuts: list[int], holding: bool) -> None:
    with small_bounds(True) as limit:
        reader = Reader(holding=holding, hold_up_to=limit)
        for piece in cut(garbage, cuts):
            reader.feed([piece])
            assert len(reader.frames._message or b"") <= limit
            assert reader.kept <= limit + max(SMALL_WHOLE, 125) + LONGEST_HEADER


def claim(first: int, length: int, key: bytes = b"") -> bytes:
    """Only a header, with the longest form of a length."""
    return bytes([first, bool(key) << 7 | 127]) + length.to_bytes(8, "big") + key


@pytest.mark.parametrize("opcode", [0, TEXT, BINARY, 0x3, CLOSE, PING])
@pytest.mark.parametrize("length", [2**63, 2**24 + 1])
@pytest.mark.parametrize("holding", [False, True])
def test_a_header_says_how_long_its_frame_is_when_it_is_whole(opcode: int, length: int, holding: bool) -> None:
    header = claim(0x80 | opcode, length, KEY)
    whole = Reader(holding=holding).feed([header])
    for place in range(len(header)):
        assert Reader(holding=holding).feed(cut_at(header, [place])).made_of_it == whole.made_of_it


# Each is longer than what may be kept, and than what may be held in frames (8 times as much as is read).
ENDLESS = {
    "a message that is said to be endless": lambda first: [claim(first, 2**63, KEY), *[bytes(10_000)] * 300],
    "a text of empty fragments": lambda first: [claim(first & 0x7F, 0), *[claim(0, 0) * 1000] * 60],
    "fragments of some bytes": lambda first: [claim(first & 0x7F, 0), *[(claim(0, 100) + bytes(100)) * 100] * 60],
    "fragments that are as long as one may be": lambda first: [
        claim(first & 0x7F, WHOLE) + bytes(WHOLE - 1),
        *[bytes(1) + claim(0, WHOLE) + bytes(WHOLE - 1)] * 50,
    ],
    "messages that never end and begin again": lambda first: [claim(first & 0x7F, 60_000) + bytes(60_000)] * 100,
}


@pytest.mark.parametrize("chunks", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("opcode", [0, TEXT, BINARY, 0x3, CLOSE, PING])
@pytest.mark.parametrize("holding", [False, True])
def test_it_keeps_no_more_than_a_text_that_it_reads_and_a_frame_that_passes_whole(
    chunks: Callable[[int], list[bytes]], opcode: int, holding: bool
) -> None:
    reader = FrameReader(bytes, holding=holding)
    for chunk in chunks(0x80 | opcode):
        reader.feed(chunk)
        assert len(reader._rest) + len(reader._message or b"") <= READ + WHOLE + LONGEST_HEADER


def test_nothing_is_kept_after_a_close() -> None:
    reader = Reader(holding=True, hold_up_to=100).feed([frame(CLOSE, b"", mask=True), *[bytes(10_000)] * 10])
    assert (reader.kept, reader.passed) == (0, b"")


LONG = {
    "a text": [Sent(TEXT, bytes(MIB))],
    "a masked text": [Sent(TEXT, bytes(MIB), key=KEY)],
    "audio": [Sent(BINARY, bytes(WHOLE - 1))] * 16,
    "fragments": [Sent(TEXT, b"", final=False), *[Sent(0, bytes(1000), final=False)] * 1000, Sent(0, b"")],
    "pings": [Sent(PING, bytes(125))] * 8000,
}


@pytest.mark.parametrize("sent", LONG.values(), ids=LONG)
@pytest.mark.parametrize("piece", [1, slow(100), 10_000])
@pytest.mark.parametrize("holding", [False, True])
def test_each_byte_is_copied_a_few_times_however_small_the_pieces_are(
    memory_is_traced: None, sent: list[Sent], piece: int, holding: bool
) -> None:
    wire = b"".join(each.wire for each in sent)[: 20_000 * piece]
    reader = FrameReader(bytes, holding=holding)
    copied = sum(allocated(reader.feed, part) for part in cut_at(wire, range(piece, len(wire), piece)))
    assert copied <= 10 * len(wire) + 300 * (len(wire) // piece)


@pytest.fixture
def memory_is_traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def allocated(feed: Callable[[bytes], bytes], data: bytes) -> int:
    """Return the memory that a call took, for whatever time: what it copies must be put somewhere."""
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    feed(data)
    return tracemalloc.get_traced_memory()[1] - before


# Building


@given(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), PAYLOADS, st.booleans())
def test_the_library_reads_what_we_build(opcode: Opcode, payload: bytes, masked: bool) -> None:
    built = frame(opcode, payload, mask=masked)
    assert list(library_frames(built, masked=masked)) == [(Frame(opcode, payload), len(built))]


@given(st.integers(3000, 4999), st.text(max_size=60) | st.integers(100, 130).map("x".__mul__), st.booleans())
def test_a_reason_is_cut_to_what_a_close_may_hold(code: int, reason: str, masked: bool) -> None:
    ((built, _),) = library_frames(close_frame(Close(code, reason), mask=masked), masked=masked)
    close = LibraryClose.parse(built.data)
    assert close.code == code
    assert reason.startswith(close.reason)
    assert close.reason == reason or len(reason[: len(close.reason) + 1].encode()) > 123


def test_no_code_is_an_empty_close() -> None:
    built = close_frame(Close(1005, ""), mask=True)
    assert list(library_frames(built, masked=True)) == [(Frame(Opcode.CLOSE, b""), len(built))]


@given(text=st.binary(min_size=3, max_size=100), size=st.integers(1, 40))
def test_a_text_that_nothing_replaces_passes_in_the_frames_that_it_came_in(text: bytes, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    last = len(pieces) - 1
    sent = [
        frame(TEXT if number == 0 else CONTINUATION, piece, mask=True, final=number == last)
        for number, piece in enumerate(pieces)
    ]
    reader = FrameReader(lambda text: None, holding=True)
    assert [reader.feed(each) for each in sent] == [b""] * last + [b"".join(sent)]


@pytest.mark.parametrize("size", [0, 1])
def test_a_text_in_fragments_without_end_is_not_held_without_end(size: int) -> None:
    limit = 100
    reader = Reader(holding=True, hold_up_to=limit)
    reader.feed([frame(TEXT, b"x" * size, mask=True, final=False)])
    sent = 0
    for _ in range(1000):
        fragment = frame(CONTINUATION, b"x" * size, mask=True, final=False)
        reader.feed([fragment])
        sent += len(fragment)
    assert sent + 6 + size - len(reader.passed) <= 9 * limit
    assert len(reader.skipped) == 1
