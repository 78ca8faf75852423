"""WebSocket frames (RFC 6455, section 5.2): find their boundaries in a byte stream, and build them.

The relay passes bytes on as they came. It must know where a frame ends, so that a Close can be put there, and it
reads text messages on the side.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE = 0x0, 0x1, 0x2, 0x8
_CONTROL = 0x8
# A longer control frame breaks the protocol; it is passed on for the other side to say so.
_LONGEST_CONTROL = 125

# A frame up to here is passed on when it is whole, so that a cut rarely falls inside one; a longer one as it comes.
_WHOLE_UP_TO = 64 * 1024
# A text message up to here is read; the protocol's own are far smaller.
_READ_UP_TO = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Close:
    """What a Close frame said; 1005 stands for no code (RFC 6455, section 7.4.1)."""

    code: int
    reason: str


class _Header(NamedTuple):
    final: bool
    opcode: int
    mask: bytes
    start: int
    end: int


class FrameReader:
    """One direction of a WebSocket: ``feed`` returns what may be passed on now.

    ``on_text`` gets each text message that is short enough to read. While ``holding``, text messages are kept back
    until they are whole and ``on_text`` returns the frames to send in their place.
    ``close`` is the peer's Close once it came; it is never passed on, and nothing behind it is.
    """

    def __init__(self, on_text: Callable[[bytes], bytes], *, holding: bool, hold_up_to: int = _READ_UP_TO) -> None:
        self._on_text = on_text
        self._hold_up_to = hold_up_to
        self._rest = b""
        self._passing = 0
        self._passing_audio = False
        self._message: bytearray | None = None
        self._in_text = False
        self.holding = holding
        self.too_big = False
        self.binary_bytes = 0
        self.close: Close | None = None

    @property
    def inside_frame(self) -> bool:
        """True when what was passed on ends in the middle of a frame."""
        return self._passing > 0

    def feed(self, data: bytes) -> bytes:
        if self.close is not None or self.too_big:
            return b""
        data = self._rest + data if self._rest else data
        passed: list[bytes] = []
        at = begin = 0
        while self.close is None and not self.too_big:
            if self._passing:
                step = min(self._passing, len(data) - at)
                at += step
                self._passing -= step
                if self._passing_audio:
                    self.binary_bytes += step
            header = _read_header(data, at)
            if header is None:
                break
            if header.end > len(data):
                if self._must_be_whole(header):
                    break
                self._start_long_frame(header, len(data))
                at = len(data)
                break
            if header.opcode == CLOSE:
                passed.append(data[begin:at])
                begin = at = header.end
                self.close = _read_close(_payload(data, header))
                break
            if self._is_text(header):
                held = self.holding
                instead = self._take(data, header)
                if held:
                    passed += (data[begin:at], instead)
                    begin = header.end
            elif header.opcode < _CONTROL:
                self.binary_bytes += header.end - header.start
            at = header.end
        passed.append(data[begin:at])
        self._rest = b"" if self.close is not None or self.too_big else data[at:]
        return passed[0] if len(passed) == 1 else b"".join(passed)

    def _is_text(self, header: _Header) -> bool:
        return header.opcode == TEXT or (header.opcode == CONTINUATION and self._in_text)

    def _must_be_whole(self, header: _Header) -> bool:
        if header.opcode >= _CONTROL:
            return header.end - header.start <= _LONGEST_CONTROL
        if self._is_text(header):
            size = header.end - header.start + len(self._message or b"")
            if self.holding:
                self.too_big = size > self._hold_up_to
                return True
            return size <= _READ_UP_TO
        return header.end - header.start <= _WHOLE_UP_TO

    def _start_long_frame(self, header: _Header, available: int) -> None:
        self._passing = header.end - available
        self._passing_audio = header.opcode < _CONTROL and not self._is_text(header)
        if self._passing_audio:
            self.binary_bytes += max(0, available - header.start)
        elif header.opcode < _CONTROL:
            self._message = None
            self._in_text = not header.final

    def _take(self, data: bytes, header: _Header) -> bytes:
        """Add a whole text frame to its message; return what replaces the message when it is whole."""
        if header.opcode == TEXT:
            self._message = bytearray()
        if self._message is not None:
            self._message += _payload(data, header)
            if len(self._message) > (self._hold_up_to if self.holding else _READ_UP_TO):
                self.too_big = self.holding
                self._message = None
        self._in_text = not header.final
        if not header.final or self._message is None:
            return b""
        message, self._message = bytes(self._message), None
        return self._on_text(message)


def _read_header(data: bytes, at: int) -> _Header | None:
    available = len(data) - at
    if available < 2:
        return None
    first, second = data[at], data[at + 1]
    length = second & 0x7F
    start = at + 2
    if length >= 126:
        extended = 2 if length == 126 else 8
        if available < 2 + extended:
            return None
        length = int.from_bytes(data[start : start + extended], "big")
        start += extended
    mask = b""
    if second & 0x80:
        if len(data) < start + 4:
            return None
        mask = data[start : start + 4]
        start += 4
    return _Header(bool(first & 0x80), first & 0x0F, mask, start, start + length)


def _payload(data: bytes, header: _Header) -> bytes:
    payload = data[header.start : header.end]
    return _masked(payload, header.mask) if header.mask else payload


def _masked(payload: bytes, mask: bytes) -> bytes:
    pattern = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(len(payload), "big")


def _read_close(payload: bytes) -> Close:
    if len(payload) < 2:
        return Close(1005, "")
    return Close(int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace"))


def frame(opcode: int, payload: bytes, *, mask: bool) -> bytes:
    """Build one final frame; ``mask`` as every client must."""
    length = len(payload)
    if length < 126:
        size = bytes([length])
    elif length < 0x10000:
        size = b"\x7e" + length.to_bytes(2, "big")
    else:
        size = b"\x7f" + length.to_bytes(8, "big")
    if not mask:
        return bytes([0x80 | opcode]) + size + payload
    key = os.urandom(4)
    return bytes([0x80 | opcode, 0x80 | size[0]]) + size[1:] + key + _masked(payload, key)


def close_frame(close: Close, *, mask: bool) -> bytes:
    """Build a Close; a reason that is too long for a control frame (123 bytes) is cut."""
    if close.code == 1005:
        return frame(CLOSE, b"", mask=mask)
    reason = close.reason.encode()[:123].decode("utf-8", "ignore")
    return frame(CLOSE, close.code.to_bytes(2, "big") + reason.encode(), mask=mask)
