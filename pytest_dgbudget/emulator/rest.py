"""The management API's port. There is no management API yet: every request is answered 501."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid

import h11

DEADLINE_SECONDS = 10.0  # for one whole request and its answer: a slow client is not waited for
_NOT_IMPLEMENTED = (501, "NOT_IMPLEMENTED", "the emulator has no management API yet")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection: one request, one answer in the vendor's error form, close."""
    # CancelledError too: Python 3.10 and 3.11 print a traceback when a connection's task ends cancelled.
    with contextlib.suppress(OSError, asyncio.TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(_exchange(reader, writer), DEADLINE_SECONDS)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h11.Connection(h11.SERVER)
    try:
        method = await _read_request(connection, reader)
        if method is None:
            return
        status, code, message = _NOT_IMPLEMENTED
    except h11.RemoteProtocolError as error:
        method, status, code, message = b"", error.error_status_hint, "Bad Request", f"Not an HTTP request: {error}."
    writer.write(_response(connection, method, status, code, message))
    await writer.drain()


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes | None:
    """Read a whole request, keep its method; None when there was none."""
    method = None
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            method = event.method
        elif event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                return method  # the answer is no, the body may stay where it is
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return method


def _response(connection: h11.Connection, method: bytes, status: int, code: str, message: str) -> bytes:
    request_id = str(uuid.uuid4())
    body = json.dumps({"err_code": code, "err_msg": message, "request_id": request_id}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        ("dg-request-id", request_id),
    ]
    head = connection.send(h11.Response(status_code=status, headers=headers)) or b""
    return head if method == b"HEAD" else head + body
