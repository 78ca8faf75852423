"""One open session: bytes between a client and the vendor, and how it ends.

Bytes pass as they came; only Settings gains the run's tag. Whatever ends the session, the vendor gets a clean Close
1000, and its side is aborted when it does not answer in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from pytest_dgbudget.gateway.clock import MeteringLoop, now_ms
from pytest_dgbudget.gateway.frames import TEXT, Close, FrameReader, close_frame, frame
from pytest_dgbudget.gateway.services.service import Inspection
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.protocol.codes import UPSTREAM_LOST

# How long either side may take to answer a Close.
CLOSE_SECONDS = 1.0
_WRITE_HIGH_WATER = 32 * 1024
_LONGEST_SETTINGS = 16 * 1024 * 1024


# All legs read into this one, and deal with what they read before the next read. A buffer for each, as big as a read
# may be, costs a system call to get and one to return: a third of what the relay takes.
_READ = memoryview(bytearray(64 * 1024))


class Leg(asyncio.BufferedProtocol):
    """One of the relay's two connections."""

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


class Relay:
    """Joins two transports. ``ended`` is called once, when the vendor's socket is closed."""

    def __init__(
        self,
        client: asyncio.Transport,
        upstream: Upstream,
        inspection: Inspection,
        ended: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MeteringLoop)
        self._loop = loop
        self.inspection = inspection
        self._ended = ended
        self._from_client = FrameReader(
            self._client_text, holding=not inspection.configured, hold_up_to=_LONGEST_SETTINGS
        )
        self._from_vendor = FrameReader(self._vendor_text, holding=False)
        self._client = Leg(self._client_sent, self._client_lost)
        self._vendor = Leg(self._vendor_sent, self._vendor_lost)
        self._client.other, self._vendor.other = self._vendor, self._client
        self.closed_by: ClosedBy | None = None
        self.close_code: int | None = None
        self.client_vanished = False
        self.closed_at_ms: int | None = None
        self.confirmed = False
        self._client_close: Close | None = None
        self._close_pending = False
        self._aborted = False
        self._client_gone = False
        self._timers: list[asyncio.TimerHandle] = []
        self._upstream = upstream
        self._client_transport, self._vendor_transport = client, upstream.transport

    def start(self, from_client: bytes) -> None:
        """Take over both transports with what they had received already; either may be lost already, too."""
        for leg, transport in ((self._client, self._client_transport), (self._vendor, self._vendor_transport)):
            leg.connection_made(transport)
            transport.set_protocol(leg)
        if self._upstream.rest:
            self._vendor_sent(self._upstream.rest)
        if from_client:
            self._client_sent(from_client)
        if self._upstream.was_lost:
            self._vendor_lost()
        elif self._client_transport.is_closing():
            self._client_lost()

    def audio_ms(self) -> tuple[int | None, int | None]:
        """How long what passed in and out plays; None where that can't be known."""
        return self.inspection.audio_ms(
            in_bytes=self._from_client.binary_bytes, out_bytes=self._from_vendor.binary_bytes
        )

    def close(self, closed_by: ClosedBy, to_client: Close) -> bool:
        """Begin the end: Close to both sides now, the vendor's answer within CLOSE_SECONDS.

        False when the end had begun already.
        """
        if self.closed_by is not None:
            if self.client_vanished and closed_by == "owner-lost":
                # The client went because its whole process did.
                self.closed_by = closed_by
            return False
        # This one first: it may pause the vendor, and the end reads on.
        self._send_close_to_client(to_client)
        self._begin_end(closed_by, to_client.code)
        return True

    def abort(self) -> None:
        """The vendor took too long, or the allowance is about to end: close our socket now.

        With a reset, which arrives at once; a FIN would wait behind what a vendor that reads nothing has not read.
        """
        if self.closed_at_ms is None:
            self._aborted = True
            reset_on_close(self._vendor_transport)
            self._vendor_transport.abort()

    def _begin_end(self, closed_by: ClosedBy, code: int | None) -> None:
        self.closed_by = closed_by
        self.close_code = code
        self._timers.append(self._loop.call_later(CLOSE_SECONDS, self.abort))
        # A client that stopped reading must not keep the vendor's answer from being read.
        self._vendor_transport.resume_reading()
        if self._from_client.inside_frame:
            self._close_pending = True
        else:
            self._send_close_to_vendor()

    def _send_close_to_vendor(self) -> None:
        self._close_pending = False
        self._vendor_transport.write(close_frame(Close(1000, ""), mask=True))

    def _send_close_to_client(self, close: Close) -> None:
        if self._client_close is not None:
            return
        self._client_close = close
        self._timers.append(self._loop.call_later(CLOSE_SECONDS, self._client_transport.abort))
        if self._from_vendor.inside_frame:
            self._client_transport.abort()
        else:
            self._client_transport.write(close_frame(close, mask=False))

    def _client_sent(self, data: bytes) -> None:
        if self.closed_by is not None and not self._close_pending:
            self._read_client_answer(data)
            return
        passed = self._pass_on(self._from_client, data)
        if passed:
            self._vendor_transport.write(passed)
        if self._close_pending and not self._from_client.inside_frame:
            self._send_close_to_vendor()
        elif self._from_client.close is not None:
            self._begin_end("client", self._from_client.close.code)
        elif self._from_client.too_big:
            self.close("client", Close(1009, "a message before the session's settings is over 16 MiB"))

    def _pass_on(self, reader: FrameReader, data: bytes) -> bytes:
        """Return what may pass of what came, and note what it says of the session."""
        bytes_before, frames_before = reader.binary_bytes, reader.binary_frames
        passed = reader.feed(data)
        if reader.binary_bytes != bytes_before:
            self.inspection.moved()
            if reader.binary_frames - frames_before > 1:
                self._loop.gather()
        return passed

    def _read_client_answer(self, data: bytes) -> None:
        self._from_client.feed(data)
        if self._from_client.close is not None and self._client_close is not None:
            self._client_transport.close()

    def _vendor_sent(self, data: bytes) -> None:
        passed = self._pass_on(self._from_vendor, data)
        if passed and self._client_close is None and self.closed_by is None:
            self._client_transport.write(passed)
        if self._from_vendor.close is not None:
            self._vendor_closed(self._from_vendor.close)

    def _vendor_closed(self, close: Close) -> None:
        if self.closed_by is None:
            self._begin_end("server", close.code)
            self._send_close_to_client(close)
        self._vendor_transport.close()

    def _vendor_lost(self) -> None:
        self.closed_at_ms = now_ms()
        self.confirmed = not self._aborted
        if self.closed_by is None:
            self.closed_by = "network"
            self._send_close_to_client(Close(UPSTREAM_LOST, "the vendor's connection was lost"))
        elif self.closed_by == "client" and self._from_client.close is not None:
            self._send_close_to_client(self._from_client.close)
            self._client_transport.close()
        self._ended()
        self._let_go()

    def _let_go(self) -> None:
        """With both sides closed, no timer keeps this alive any longer."""
        if self.closed_at_ms is not None and self._client_gone:
            for timer in self._timers:
                timer.cancel()

    def _client_lost(self) -> None:
        """The client's connection ended without a Close."""
        self._client_gone = True
        self._let_go()
        if self.closed_by is None:
            self.client_vanished = True
            self._begin_end("client", None)

    def _client_text(self, text: bytes) -> bytes:
        said = self.inspection.client_said(text)
        if not self._from_client.holding:
            return b""
        self._from_client.holding = not self.inspection.configured
        return frame(TEXT, said, mask=True)

    def _vendor_text(self, text: bytes) -> bytes:
        self.inspection.vendor_said(text)
        return b""
