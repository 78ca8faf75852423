"""What passed of a session, as it came: kept for those who read it later, at no cost to what passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pytest_dgbudget.gateway.frames import find_payload, unmasked


class Chunk(NamedTuple):
    """What one direction passed on at once: whole frames, or a part of a long one.

    ``at_ms`` is the instant on the metering clock. ``rest`` is how many bytes were missing before it of a frame that an
    earlier chunk began.
    """

    at_ms: int
    data: bytes
    rest: int = 0


class Payload(NamedTuple):
    """The payload of one frame, or as much of it as a chunk has, without its mask.

    ``begins`` is False for what continues the frame of an earlier chunk, ``ends`` for what a later one continues.
    ``final``: the message ends with this frame. ``remaining`` bytes of the same chunk come after this frame.
    """

    at_ms: int
    opcode: int
    final: bool
    data: bytes
    begins: bool
    ends: bool
    remaining: int


class PayloadReader:
    """Finds the payloads of one direction's chunks, which are given in order.

    Where earlier chunks are missing, what continues a masked frame can't be unmasked, and is left out.
    """

    def __init__(self) -> None:
        self._missing = 0
        self._opcode = 0
        self._final = True
        self._mask: bytes | None = None

    def read(self, chunk: Chunk) -> Iterator[Payload]:
        """Yield what a chunk has."""
        data, at = chunk.data, min(chunk.rest, len(chunk.data))
        if chunk.rest:
            yield from self._continued(chunk, at)
        while at < len(data):
            found = find_payload(data, at)
            if found is None:
                return
            start, end = found
            self._opcode, self._final = data[at] & 0x0F, data[at] & 0x80 != 0
            self._mask = data[start - 4 : start] if data[at + 1] & 0x80 else b""
            payload = unmasked(data[start:end], self._mask)
            yield Payload(
                chunk.at_ms, self._opcode, self._final, payload, True, end <= len(data), max(0, len(data) - end)
            )
            self._missing = max(0, end - len(data))
            self._turn_mask(len(payload))
            at = end

    def _continued(self, chunk: Chunk, end: int) -> Iterator[Payload]:
        if self._missing != chunk.rest:
            self._mask = None
        self._missing = chunk.rest - end
        if self._mask is None:
            return
        payload = unmasked(chunk.data[:end], self._mask)
        self._turn_mask(end)
        remaining = len(chunk.data) - end
        yield Payload(chunk.at_ms, self._opcode, self._final, payload, False, self._missing == 0, remaining)

    def _turn_mask(self, size: int) -> None:
        if self._mask:
            self._mask = self._mask[size % 4 :] + self._mask[: size % 4]


def payloads(chunks: Iterable[Chunk]) -> Iterator[Payload]:
    """Yield the payloads of one direction's chunks, the first of which may begin anywhere."""
    reader = PayloadReader()
    for chunk in chunks:
        yield from reader.read(chunk)
