"""HTTP as h11 has it, on a connection that is read and written at the pace of whoever is slower."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import h11

_READ = 64 * 1024
_LONGEST_HEAD = 64 * 1024
# How long a client that still sends is listened to once it has its answer: closing at once could lose that.
_LINGER_SECONDS = 2


class HttpStream:
    """One end of an HTTP connection. Its coroutines raise h11.ProtocolError or OSError."""

    def __init__(self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = http
        self._reader = reader
        self._writer = writer

    @classmethod
    def taken_over(
        cls, http: h11.Connection, transport: asyncio.Transport, came: bytes, gone: asyncio.Future[None]
    ) -> HttpStream:
        """Take over a client's connection; ``came`` came after its head. ``gone`` is done when it has ended."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_READ, loop=loop)
        protocol = _TakenOver(reader, gone)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if came:
            reader.feed_data(came)
        if not transport.is_closing():
            transport.resume_reading()
        return cls(http, reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    @classmethod
    def dialled(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> HttpStream:
        """Begin as the client of a server."""
        return cls(h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD), reader, writer)

    async def next_event(self) -> Any:
        """Return the next of h11's events."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self._reader.read(_READ))
        return event

    async def send(self, event: Any) -> None:
        """Send one of h11's events, and wait while the other side reads slowly."""
        data = self.http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def body(self, longest: int) -> bytes | None:
        """Return the whole body; None when it is longer than this."""
        await self.allow_body()
        body = b""
        while isinstance(event := await self.next_event(), h11.Data):
            body += event.data
            if len(body) > longest:
                return None
        return body

    async def allow_body(self) -> None:
        """Have a client go on that waits to be told so."""
        if self.http.they_are_waiting_for_100_continue:
            await self.send(h11.InformationalResponse(status_code=100, headers=[]))

    async def finish(self) -> None:
        """Close after the answer; what a client still sends meanwhile is read, or it would lose the answer."""
        with contextlib.suppress(OSError, h11.ProtocolError, TimeoutError, asyncio.TimeoutError):
            if not self._is_read():
                self._writer.write_eof()
                await asyncio.wait_for(self._rest(), _LINGER_SECONDS)
        self._writer.close()

    def abort(self) -> None:
        """Close at once: an answer that is not whole must not look like one."""
        self._writer.transport.abort()

    def _is_read(self) -> bool:
        """Return whether the other side has said all of its message, as far as it has come."""
        while self.http.their_state is h11.SEND_BODY and self.http.next_event() is not h11.NEED_DATA:
            pass
        return self.http.their_state is not h11.SEND_BODY

    async def _rest(self) -> None:
        while not self._is_read():
            self.http.receive_data(await self._reader.read(_READ))


class _TakenOver(asyncio.StreamReaderProtocol):
    def __init__(self, reader: asyncio.StreamReader, gone: asyncio.Future[None]) -> None:
        super().__init__(reader)
        self._gone = gone

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self._gone.done():
            self._gone.set_result(None)

    def eof_received(self) -> bool:
        """A client that says no more has left, as one that is gone altogether: nothing distinguishes them."""
        super().eof_received()
        return False
