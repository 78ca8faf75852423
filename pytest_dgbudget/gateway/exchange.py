"""A request whose head is read, and the connection on which it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import h11

from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.http_stream import HttpStream

_MOST_EARLY = 64 * 1024


class Exchange:
    """One request of a client's. ``gone`` is done when its connection has ended.

    ``http`` has read the head, and reads what follows. ``identified`` is called once its token is known to be valid.
    """

    def __init__(
        self,
        request: Request,
        http: h11.Connection,
        transport: asyncio.Transport,
        gone: asyncio.Future[None],
        identified: Callable[[], None],
    ) -> None:
        self.request = request
        self.transport = transport
        self.gone = gone
        self.identified = identified
        self._http = http
        self._came = b""
        self._stream: HttpStream | None = None

    @property
    def early(self) -> bytes:
        """What has come after the head of an upgrade up to now."""
        return self.request.rest + self._came

    def received(self, data: bytes) -> None:
        """Keep what comes before anybody has taken the connection over; of a body, no more than fits."""
        self._came += data
        if len(self._came) <= _MOST_EARLY:
            return
        if self.request.upgrade:
            self.transport.abort()
        else:
            self.transport.pause_reading()

    async def answer(self, answer: bytes) -> None:
        """Write an answer that ends the connection."""
        self.transport.write(answer)
        if self.request.upgrade:
            self.transport.close()
        else:
            await self.stream().finish()

    def stream(self) -> HttpStream:
        """Take the connection over, to read the body and to write an answer."""
        if self._stream is None:
            self._stream = HttpStream.taken_over(self._http, self.transport, self._came, self.gone)
        return self._stream
