"""HTTP on a connection: reads requests, writes answers; ``respond`` decides what is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import h11

DEADLINE_SECONDS = 10.0  # from the first wait for a request to the end of its answer: a slow client is not waited for
LONGEST_HEAD = 16 * 1024  # bytes
LONGEST_BODY = 2**20  # bytes; the vendor documents no limit
_READ = 65536
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A complete request; header names are lower case. ``id`` is ours and goes out as ``dg-request-id``."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back, after ``delay`` seconds; the headers for length, request id and connection are added."""

    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes
    delay: float = 0.0


class Refusal(Exception):
    """Becomes an answer in one of the vendor's two error forms: the newer one if it has ``details``.

    ``emulator`` is a hint of the emulator's own, beside the vendor's words.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        emulator: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = headers
        self.emulator = emulator

    def answer(self, request_id: str) -> Answer:
        if self.details is None:
            body = {"err_code": self.code, "err_msg": self.message}
        else:
            body = {"category": self.code, "message": self.message, "details": self.details}
        own = {} if self.emulator is None else {"emulator": self.emulator}
        text = json.dumps({**body, "request_id": request_id, **own})
        return Answer(status=self.status, headers=self.headers, body=text.encode())


Respond = Callable[[Request], Answer]


class HttpServer:
    """Answers requests with ``respond``, which may raise Refusal; each has ``deadline`` seconds for its exchange.

    It listens nowhere: connections are handed to it.
    """

    def __init__(self, respond: Respond, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._respond = respond
        self._deadline = deadline
        self._connections: set[asyncio.Task[Any]] = set()
        self._without_head: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    def await_head(self, transport: asyncio.Transport, seconds: float) -> None:
        """Drop this connection unless it has a head in time."""
        self._without_head[transport] = asyncio.get_running_loop().call_later(seconds, transport.abort)

    def has_head(self, transport: asyncio.Transport) -> None:
        self._without_head.pop(transport).cancel()

    def adopt(self, transport: asyncio.Transport, read: bytes) -> None:
        """Serve a connection of which this much was read."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_READ, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, self._serve, loop=loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(read)

    async def stop(self) -> None:
        """End every connection."""
        for transport in list(self._without_head):
            transport.abort()
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # CancelledError too: Python 3.10 and 3.11 print a traceback when a connection's task ends cancelled.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await _Connection(reader, writer, self._respond, self._deadline).run()
        writer.transport.abort()  # does nothing unless one of these came


class _Connection:
    """One connection: request and answer, repeated until one side closes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond, deadline: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._respond = respond
        self._deadline = deadline
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)

    async def run(self) -> None:
        going_on = True
        while going_on:
            # A timer and not wait_for, which may lose a cancellation in Python 3.10 and 3.11.
            timer = asyncio.get_running_loop().call_later(self._deadline, self._writer.transport.abort)
            try:
                going_on = await self._exchange()
                # Pipelined requests yield to other connections.
                await (asyncio.sleep(0) if going_on else self._finish())
            finally:
                timer.cancel()

    async def _exchange(self) -> bool:
        """Serve one request; return whether another may follow."""
        request = None
        try:
            request = await self._read_head()
            if request is None:
                return False
            request = replace(request, body=await self._read_body())
            answer = self._answer(request)
        except h11.RemoteProtocolError as error:
            refusal = Refusal(error.error_status_hint, "Bad Request", f"Not an HTTP request: {error}.")
            request, answer = _refuse(refusal, request)
        except Refusal as refusal:
            request, answer = _refuse(refusal, request)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        await self._write(request, answer)
        if (self._http.our_state, self._http.their_state) != (h11.DONE, h11.DONE):
            return False
        self._http.start_next_cycle()
        return True

    def _answer(self, request: Request) -> Answer:
        try:
            return self._respond(request)
        except Refusal:
            raise
        except Exception as error:
            _log.exception("the emulator failed")
            message = f"The emulator failed: {type(error).__name__}."
            raise Refusal(500, "INTERNAL_SERVER_ERROR", message) from None

    async def _read_head(self) -> Request | None:
        """Return a request; None when there is no more."""
        event = await self._next_event()
        if not isinstance(event, h11.Request):
            return None
        path, _, query = event.target.decode("latin-1").partition("?")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
        return Request(method=event.method.decode("latin-1"), path=path, query=query, headers=headers)

    async def _read_body(self) -> bytes:
        if self._http.they_are_waiting_for_100_continue:
            self._writer.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        body = b""
        while True:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return body
            body += event.data
            if len(body) > LONGEST_BODY:
                raise Refusal(413, "Bad Request", f"The body is longer than {LONGEST_BODY} bytes.")

    async def _next_event(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._reader.read(_READ))

    async def _write(self, request: Request, answer: Answer) -> None:
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("dg-request-id", request.id),
            *answer.headers,
        ]
        if self._http.their_state is not h11.DONE:  # the rest of this request would be taken for the next one
            headers.append(("Connection", "close"))
        sent = self._http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        if request.method != "HEAD":
            sent += self._http.send(h11.Data(data=answer.body)) or b""
        self._http.send(h11.EndOfMessage())
        self._writer.write(sent)
        await self._writer.drain()

    async def _finish(self) -> None:
        """Read what the client still sends: closing on it would reset the connection and lose the answer."""
        self._writer.write_eof()
        while await self._reader.read(_READ):
            pass
        self._writer.close()
        await self._writer.wait_closed()


def _refuse(refusal: Refusal, request: Request | None) -> tuple[Request, Answer]:
    """Return the answer, and an empty request if there was none to answer."""
    request = request or Request(method="", path="", query="", headers=())
    return request, refusal.answer(request.id)
