"""Streams of WebSocket frames as a peer may send them, and what the websockets library makes of them."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from websockets.extensions import Extension
from websockets.frames import Close as LibraryClose
from websockets.frames import Frame
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol
from websockets.streams import StreamReader
from websockets.utils import apply_mask

from pytest_dgbudget.gateway.frames import Close

CONT, TEXT, BINARY = range(3)
CLOSE, PING, PONG = range(8, 11)

# What a side sends


@dataclass(frozen=True)
class Sent:
    """One frame. ``key`` masks it; ``length_bytes`` say its length, in more bytes than it needs perhaps."""

    opcode: int
    payload: bytes
    final: bool = True
    reserved_bits: int = 0
    length_bytes: int = 0
    key: bytes = b""

    def __repr__(self) -> str:
        # A long payload would bury what else a failing example is made of.
        form = (self.final, self.reserved_bits, self.length_bytes, self.key)
        return f"Sent({self.opcode}, {reprlib.repr(self.payload)} of {len(self.payload)} bytes, {form})"

    @property
    def wire(self) -> bytes:
        length = len(self.payload)
        length_bytes = max(self.length_bytes, 0 if length < 126 else 2 if length < 65536 else 8)
        size, extended = length, b""
        if length_bytes:
            size, extended = {2: 126, 8: 127}[length_bytes], length.to_bytes(length_bytes, "big")
        head = bytes([self.final << 7 | self.reserved_bits << 4 | self.opcode, bool(self.key) << 7 | size])
        payload = apply_mask(self.payload, self.key) if self.key else self.payload
        return head + extended + self.key + payload


@dataclass(frozen=True)
class Stream:
    """All frames of one side: a client masks them, a server doesn't."""

    frames: tuple[Sent, ...]
    masked: bool

    @property
    def wire(self) -> bytes:
        return b"".join(frame.wire for frame in self.frames)


PAYLOADS = st.binary(max_size=200) | st.builds(lambda unit, n: unit * n, st.binary(max_size=3), st.integers(0, 30_000))
CONTROLS = st.lists(st.builds(Sent, st.sampled_from([PING, PONG]), st.binary(max_size=125)), max_size=1)
CLOSES = st.builds(
    lambda code, reason: Sent(CLOSE, b"" if reason is None else LibraryClose(code, reason).serialize()),
    st.sampled_from([1000, 1001, 1011]) | st.integers(3000, 4999),
    st.none() | st.text(max_size=30),
)


@st.composite
def messages(draw: st.DrawFn) -> list[Sent]:
    """One message, whole or in fragments, with control frames before and between."""
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    fragments = draw(st.lists(PAYLOADS, min_size=1, max_size=4))
    sent: list[Sent] = []
    for number, payload in enumerate(fragments, 1):
        sent += draw(CONTROLS)
        sent.append(Sent(opcode if number == 1 else CONT, payload, final=number == len(fragments)))
    return sent


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Anything that keeps to the framing, in any form of it; a Close somewhere, and more after it, perhaps."""
    sent = [frame for message in draw(st.lists(messages(), max_size=5)) for frame in message] + draw(CONTROLS)
    if draw(st.booleans()):
        sent += [draw(CLOSES), *draw(messages())]
    masked = draw(st.booleans())
    keys = st.binary(min_size=4, max_size=4) if masked else st.just(b"")
    forms = [
        replace(
            frame,
            reserved_bits=draw(st.sampled_from([0, 0, 0, 4, 7])),
            length_bytes=draw(st.sampled_from([0, 0, 0, 2, 8])),
            key=draw(keys),
        )
        for frame in sent
    ]
    return Stream(tuple(forms), masked)


# Frames that break every rule but those of their own form; sizes around the bounds that a reader may have.
LAWLESS = st.lists(
    st.builds(
        Sent,
        st.integers(0, 15) | st.sampled_from([CONT, TEXT, CLOSE]),
        st.sampled_from([0, 1, 50, 99, 100, 101, 125, 126, 149, 150, 151, 300]).map(bytes),
        final=st.booleans(),
        reserved_bits=st.sampled_from([0, 0, 5]),
        length_bytes=st.sampled_from([0, 0, 2, 8]),
        key=st.sampled_from([b"", b"1234"]),
    ),
    max_size=12,
).map(lambda sent: b"".join(frame.wire for frame in sent))


CUTS = st.lists(st.integers(0, 2**32), max_size=12)


def cut(data: bytes, at: Iterable[int]) -> Iterator[bytes]:
    """Cut a stream at these places; a few bytes are cut into single ones."""
    if len(data) < 60:
        return cut_at(data, range(1, len(data)))
    return cut_at(data, sorted(n % (len(data) + 1) for n in at))


def cut_at(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    for begin, end in pairwise([0, *places, len(data)]):
        yield data[begin:end]


# What the library makes of it


@dataclass
class Reading:
    """Everything up to the Close. ``parts``: each frame as it was, and None in the place of each whole text."""

    ends: list[int]
    close: Close | None = None
    texts: list[bytes] = field(default_factory=list)
    binary_bytes: int = 0
    binary_frames: int = 0
    parts: list[bytes | None] = field(default_factory=list)


class AnyBits(Extension):
    """Has use for every reserved bit, so that the library lets them pass."""

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        return replace(frame, rsv1=False, rsv2=False, rsv3=False)

    def encode(self, frame: Frame) -> Frame:
        return frame


def read_by_library(stream: Stream) -> Reading:
    wire = stream.wire
    frames = list(library_frames(wire, masked=stream.masked))
    assert_library_accepts(stream, [frame for frame, _ in frames])
    reading = Reading(ends=[0])
    text: bytes | None = None
    for frame, end in frames:
        if frame.opcode == CLOSE:
            close = LibraryClose.parse(frame.data)
            reading.close = Close(close.code, close.reason)
            break
        if frame.opcode == TEXT:
            text = b""
        if frame.opcode >= CLOSE or text is None:
            reading.parts.append(wire[reading.ends[-1] : end])
            if frame.opcode < CLOSE:
                reading.binary_bytes += len(frame.data)
                reading.binary_frames += 1
        else:
            text += frame.data
            if frame.fin:
                reading.parts.append(None)
                reading.texts.append(text)
                text = None
        reading.ends.append(end)
    return reading


def library_frames(wire: bytes, *, masked: bool) -> Iterator[tuple[Frame, int]]:
    """Yield each frame and where it ends, the Close as the last one."""
    reader = StreamReader()
    reader.feed_data(wire)
    while reader.buffer:
        with pytest.raises(StopIteration) as whole:
            next(Frame.parse(reader.read_exact, mask=masked, extensions=[AnyBits()]))
        frame = whole.value.value
        yield frame, len(wire) - len(reader.buffer)
        if frame.opcode == CLOSE:
            break


def assert_library_accepts(stream: Stream, frames: list[Frame]) -> None:
    """What a whole connection of the library's reads is the same, and breaks no rule."""
    protocol = Protocol(SERVER if stream.masked else CLIENT, state=OPEN, max_size=None)
    protocol.extensions = [AnyBits()]
    protocol.receive_data(stream.wire)
    assert protocol.parser_exc is None
    assert protocol.events_received() == frames
