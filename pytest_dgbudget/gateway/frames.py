"""WebSocket frames (RFC 6455, section 5.2): find their boundaries in a byte stream, and build them.

The relay passes bytes on as they came. It must know where a frame ends, so that a Close can be put there, and it
reads text messages on the side.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE = 0x0, 0x1, 0x2, 0x8
_FINAL, _RESERVED, _MASK, _CONTROL = 0x80, 0x70, 0x80, 0x8
_OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, 0x9, 0xA})
PROTOCOL_ERROR, INVALID_DATA = 1002, 1007
# A longer control frame breaks the protocol; it is passed on for the other side to say so.
_LONGEST_CONTROL = 125

# A frame up to here is passed on when it is whole, so that a cut rarely falls inside one; a longer one as it comes.
_WHOLE_UP_TO = 64 * 1024
# A text message up to here is read; the protocol's own are far smaller.
_READ_UP_TO = 64 * 1024

# How many times a held text's size its frames may take: one of hardly anything but headers is not held for ever.
_HELD_FRAMES = 8

# How most frames begin: a whole binary message, and a length of two bytes.
_BINARY_MESSAGE = _FINAL | BINARY
_LENGTH_OF_TWO_BYTES = 126
_beginning = struct.Struct("!BBH").unpack_from


@dataclass(frozen=True, slots=True)
class Close:
    """What a Close frame said; 1005 stands for no code (RFC 6455, section 7.4.1)."""

    code: int
    reason: str


class FrameReader:
    """One direction of a WebSocket: ``feed`` returns what may be passed on now.

    ``on_text`` gets each text message that is short enough to read. While ``holding``, text messages are kept back
    until they are whole and ``on_text`` returns the frames to send in their place, or None for those that came; one
    that is longer than ``hold_up_to`` bytes passes as it comes, unread, and ``skipped`` is called with the bytes that
    were too many. What is put in the place of a text must not mend how it came: ``broken_rule`` is asked about the
    first two bytes of each frame as long as it is set, and ``violation`` is what to close with. ``close`` is the peer's
    Close once it came; it is never passed on, and nothing after either is.

    Whatever comes, it keeps no more than one text that may be read, one frame that passes whole, and a header; and
    each byte is copied a few times at most, however small the pieces are.
    """

    def __init__(
        self,
        on_text: Callable[[bytes], bytes | None],
        *,
        holding: bool,
        hold_up_to: int = _READ_UP_TO,
        skipped: Callable[[int], None] = lambda size: None,
        broken_rule: Callable[[int, int], str | None] | None = None,
    ) -> None:
        self._on_text = on_text
        self.broken_rule = broken_rule
        self._skipped = skipped
        self._hold_up_to = hold_up_to
        # The beginning of a frame, and how many bytes of it are worth a look.
        self._rest = bytearray()
        self._whole_at = 0
        self._passing = 0
        self._passing_audio = False
        self._message: bytearray | None = None
        # The frames that the message came in, as far as it is held.
        self._held = bytearray()
        self._in_text = False
        self.holding = holding
        self.binary_bytes = 0
        self.binary_frames = 0
        self.close: Close | None = None
        self.violation: Close | None = None

    @property
    def inside_frame(self) -> bool:
        """True when what was passed on ends in the middle of a frame."""
        return self._passing > 0

    @property
    def remaining(self) -> int:
        """How many bytes that frame still has."""
        return self._passing

    def feed(self, data: bytes) -> bytes:
        if self.close is not None or self.violation is not None:
            return b""
        if self._rest:
            if len(self._rest) + len(data) < self._whole_at:
                self._rest += data
                return b""
            data = b"".join((self._rest, data))
            self._rest.clear()
        at = self._pass(0, len(data)) if self._passing else 0
        at = self._end_of_audio(data, at)
        return data if at == len(data) else self._feed_from(data, at)

    def _end_of_audio(self, data: bytes, at: int) -> int:
        """Count the whole binary messages that come next, as nearly all frames are; return where they end."""
        size = len(data)
        while size - at >= 4 and self.broken_rule is None:
            first, second, length = _beginning(data, at)
            if first != _BINARY_MESSAGE:
                break
            start = at + 4
            if second & 0x7F != _LENGTH_OF_TWO_BYTES:
                length = second & 0x7F
                if length > _LENGTH_OF_TWO_BYTES:
                    break
                start = at + 2
            if second & 0x80:
                start += 4
            if start + length > size:
                break
            self.binary_bytes += length
            self.binary_frames += 1
            at = start + length
        return at

    def _feed_from(self, data: bytes, at: int) -> bytes:
        """Go on frame by frame where something else than audio comes."""
        passed: list[bytes] = []
        begin = end = 0
        while (payload := find_payload(data, at)) is not None:
            start, end = payload
            opcode = data[at] & 0x0F
            if self.broken_rule is not None and (broken := self.broken_rule(data[at], data[at + 1])) is not None:
                self.violation = Close(PROTOCOL_ERROR, broken)
                break
            if opcode == TEXT:
                # Against the protocol, one may begin inside another: what was held of that goes first, for the other
                # side to say so.
                passed += (data[begin:at], self._release())
                begin = at
            held = self.holding and (opcode == TEXT or (opcode == CONTINUATION and self._message is not None))
            if end - start > self._longest(opcode):
                if held:
                    passed += (data[begin:at], self._hold_no_more(end - start))
                    begin = at
                    if self.violation is not None:
                        break
                self._start_long_frame(data[at], end - start)
                at = self._pass(start, len(data))
            elif end > len(data):
                break
            elif opcode == CLOSE:
                self.close = _read_close(_unmasked(data, at, start, end))
                break
            else:
                instead = self._take(data, at, start, end)
                if held:
                    passed += (data[begin:at], self._in_its_place(data[at:end], instead))
                    begin = end
                at = end
                if self.violation is not None:
                    break
            at = self._end_of_audio(data, at)
        passed.append(data[begin:at])
        if self.close is None and self.violation is None:
            self._rest += data[at:]
            self._whole_at = end - at if payload is not None else 0
        return b"".join(passed)

    def _is_text(self, opcode: int) -> bool:
        return opcode == TEXT or (opcode == CONTINUATION and self._in_text)

    def _longest(self, opcode: int) -> int:
        """How long a payload may be for its frame to be kept until it is whole."""
        if opcode >= _CONTROL:
            return _LONGEST_CONTROL
        if opcode == TEXT:
            return self._hold_up_to if self.holding else _READ_UP_TO
        if opcode == CONTINUATION and self._message is not None:
            if len(self._held) > _HELD_FRAMES * self._hold_up_to:
                return -1
            return (self._hold_up_to if self.holding else _READ_UP_TO) - len(self._message)
        return _WHOLE_UP_TO

    def _hold_no_more(self, more: int) -> bytes:
        """Return what was held of a text of which ``more`` bytes are too many; the rest passes as it comes."""
        self._skipped(len(self._message or b"") + more)
        released = self._release()
        return released if self.violation is None else b""

    def _release(self) -> bytes:
        """Return what was held of a text, and keep nothing of it."""
        self._message = None
        return self._take_held()

    def _in_its_place(self, came: bytes, instead: bytes | None) -> bytes:
        """Return what goes out for a held frame: nothing before its text is whole."""
        self._held += came
        if self._message is not None:
            return b""
        held = self._take_held()
        return held if instead is None else instead

    def _take_held(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held

    def _start_long_frame(self, first: int, length: int) -> None:
        """Pass a frame on as it comes; a text is not read then."""
        is_text = self._is_text(first & 0x0F)
        self._passing = length
        self._passing_audio = first & _CONTROL == 0 and not is_text
        self.binary_frames += self._passing_audio
        if is_text:
            self._message = None
            self._in_text = first & _FINAL == 0

    def _pass(self, at: int, available: int) -> int:
        """Pass on what there is of a long frame; return where it ends."""
        step = min(self._passing, available - at)
        self._passing -= step
        if self._passing_audio:
            self.binary_bytes += step
        return at + step

    def _take(self, data: bytes, at: int, start: int, end: int) -> bytes | None:
        """Count a whole frame, or read it; return what replaces the text that it ends, None if nothing does."""
        opcode, final = data[at] & 0x0F, data[at] & _FINAL
        if not self._is_text(opcode):
            if opcode < _CONTROL:
                self.binary_bytes += end - start
                self.binary_frames += 1
            return None
        if opcode == TEXT:
            self._message = bytearray()
        self._in_text = not final
        if self._message is None:
            return None
        self._message += _unmasked(data, at, start, end)
        if not final:
            return None
        message, self._message = bytes(self._message), None
        return self._on_text(message)


def find_payload(data: bytes, at: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at ``at`` begins and ends; None while its header is not whole."""
    available = len(data) - at
    if available < 2:
        return None
    second = data[at + 1]
    length = second & 0x7F
    start = at + 2
    if length >= 126:
        start += 2 if length == 126 else 8
        length = int.from_bytes(data[at + 2 : start], "big")
    if second & 0x80:
        start += 4
    return (start, start + length) if start <= len(data) else None


def broken_rule(first: int, second: int) -> str | None:
    """Return which rule a client's frame breaks that begins like this (RFC 6455, section 5); None if it breaks none."""
    opcode = first & 0x0F
    if first & _RESERVED:
        return "reserved bits of a frame are set"
    if opcode not in _OPCODES:
        return f"a frame has the reserved opcode {opcode}"
    if not second & _MASK:
        return "a frame is not masked"
    if opcode >= _CONTROL and not first & _FINAL:
        return "a control frame is fragmented"
    if opcode >= _CONTROL and second & 0x7F > _LONGEST_CONTROL:
        return "a control frame is longer than 125 bytes"
    return None


def _unmasked(data: bytes, at: int, start: int, end: int) -> bytes:
    """Return a frame's payload as its sender meant it."""
    return unmasked(data[start:end], data[start - 4 : start] if data[at + 1] & 0x80 else b"")


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """Return a payload as its sender meant it; ``mask`` is empty where it has none."""
    return masked(payload, mask) if mask else payload


def masked(payload: bytes, mask: bytes) -> bytes:
    """Mask a payload, or unmask it."""
    pattern = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(len(payload), "big")


def _read_close(payload: bytes) -> Close:
    if len(payload) < 2:
        return Close(1005, "")
    return Close(int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace"))


def frame(opcode: int, payload: bytes, *, mask: bool, final: bool = True) -> bytes:
    """Build one frame; ``mask`` as every client must."""
    length, first = len(payload), (_FINAL if final else 0) | opcode
    if length < 126:
        size = bytes([length])
    elif length < 0x10000:
        size = b"\x7e" + length.to_bytes(2, "big")
    else:
        size = b"\x7f" + length.to_bytes(8, "big")
    if not mask:
        return bytes([first]) + size + payload
    key = os.urandom(4)
    return bytes([first, 0x80 | size[0]]) + size[1:] + key + masked(payload, key)


def close_frame(close: Close, *, mask: bool) -> bytes:
    """Build a Close; a reason that is too long for a control frame (123 bytes) is cut."""
    if close.code == 1005:
        return frame(CLOSE, b"", mask=mask)
    reason = close.reason.encode()[:123].decode("utf-8", "ignore")
    return frame(CLOSE, close.code.to_bytes(2, "big") + reason.encode(), mask=mask)
