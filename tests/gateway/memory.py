"""Time and connections in memory, for relays and sessions without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from websockets.frames import Frame
from websockets.streams import StreamReader

from pytest_dgbudget.gateway.clock import Timer


class ManualClock:
    """Stands still until it is advanced; ``gathered`` counts how often messages were let gather."""

    def __init__(self) -> None:
        self.gathered = 0
        self._now_ms = 1_000_000
        self._timers: list[ManualTimer] = []

    @property
    def timers(self) -> int:
        """How many wait."""
        return len(self._timers)

    def now_ms(self) -> int:
        return self._now_ms

    def call_at_ms(self, at_ms: int, callback: Callable[[], object]) -> Timer:
        self._timers.append(ManualTimer(at_ms, callback, self._timers))
        return self._timers[-1]

    def call_soon(self, callback: Callable[[], object]) -> object:
        return self.call_at_ms(self._now_ms, callback)

    def gather(self) -> None:
        self.gathered += 1

    def advance(self, ms: int) -> None:
        until_ms = self._now_ms + ms
        while due := [timer for timer in self._timers if timer.at_ms <= until_ms]:
            timer = min(due, key=lambda timer: timer.at_ms)
            self._now_ms = max(self._now_ms, timer.at_ms)
            timer.cancel()
            timer.callback()
        self._now_ms = until_ms


@dataclass(eq=False)
class ManualTimer:
    at_ms: int
    callback: Callable[[], object]
    waiting: list[ManualTimer]

    def cancel(self) -> None:
        if self in self.waiting:
            self.waiting.remove(self)


class NoSocket:
    """Has no options to set."""

    def setsockopt(self, *option: object) -> None:
        pass


class MemoryTransport(asyncio.Transport):
    """A connection: ``feed`` and ``lose`` are what its peer does, ``written`` is what the peer gets.

    ``ended`` is "closed" or "aborted" by its owner; it is lost when the test says so.
    """

    def __init__(self) -> None:
        super().__init__({"socket": NoSocket()})
        self.written = b""
        self.ended: str | None = None
        self.lost = False

    def feed(self, data: bytes) -> None:
        assert not self.lost
        while data:
            buffer = memoryview(self._protocol.get_buffer(len(data)))
            read, data = data[: len(buffer)], data[len(buffer) :]
            buffer[: len(read)] = read
            self._protocol.buffer_updated(len(read))

    def lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._protocol.connection_lost(None)

    def take_written(self) -> bytes:
        """Return what was written since the last time."""
        written, self.written = self.written, b""
        return written

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.BufferedProtocol)
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.ended is None:
            self.written += data

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return self.ended is not None or self.lost

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass
class Carried:
    """An upstream's carrier whose transport is given."""

    transport: asyncio.Transport
    rest: bytes = b""
    was_lost: bool = False


def messages(wire: bytes) -> list[tuple[int, bytes]]:
    """Return what whole frames say, read by the library."""
    reader, found = StreamReader(), []
    reader.feed_data(wire)
    while reader.buffer:
        with pytest.raises(StopIteration) as whole:
            next(Frame.parse(reader.read_exact, mask=bool(reader.buffer[1] & 0x80)))
        found.append((int(whole.value.value.opcode), whole.value.value.data))
    return found
