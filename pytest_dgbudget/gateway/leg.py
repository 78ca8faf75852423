"""One of a relay's two connections: what comes, and who must wait for whom."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

_WRITE_HIGH_WATER = 32 * 1024

# Every leg reads into this buffer, and handles what it read before the next read. A buffer of this size for each leg
# costs a system call to allocate and one to free: a third of what the relay takes.
_READ = memoryview(bytearray(64 * 1024))


class Leg(asyncio.BufferedProtocol):
    """``received`` is called with what comes, ``lost`` when nothing comes any more."""

    def __init__(self, received: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self.other: Leg | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=_WRITE_HIGH_WATER)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return _READ

    def buffer_updated(self, nbytes: int) -> None:
        self._received(_READ[:nbytes].tobytes())

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    def pause_writing(self) -> None:
        """This side is read slowly: stop reading from the other one."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


def reset_on_close(transport: asyncio.Transport) -> None:
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
