"""REST calls to the emulator on behalf of tests, which never see its key."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import urlsplit

import h11

from pytest_dgbudget.errors import GatewayError, SettingsError
from pytest_dgbudget.gateway.emulated import Emulator

_PREFIX = "/emulator/v1"
_ANSWER_SECONDS = 10
_READ = 65536


async def ask_emulator(emulator: Emulator, method: str, path: str, body: Any = None) -> Any:
    """Return what is at this path; raises SettingsError for what the emulator calls wrong, and GatewayError."""
    try:
        status, answer = await asyncio.wait_for(_exchange(emulator, method, path, body), _ANSWER_SECONDS)
        document = json.loads(answer)
    except (TimeoutError, asyncio.TimeoutError):
        raise GatewayError(f"the emulator did not answer within {_ANSWER_SECONDS} s") from None
    except (OSError, ValueError, h11.ProtocolError) as error:
        raise GatewayError(f"the emulator can't be asked: {type(error).__name__}: {error}") from None
    if status == 200:
        return document
    raise (SettingsError if status == 422 else GatewayError)(str(document["err_msg"]))


async def _exchange(emulator: Emulator, method: str, path: str, body: Any) -> tuple[int, bytes]:
    url = urlsplit(emulator.api_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(_request(emulator, method, path, body))
        return await _response(reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _request(emulator: Emulator, method: str, path: str, body: Any) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    headers = [
        ("Host", urlsplit(emulator.api_url).netloc),
        ("Authorization", f"Token {emulator.api_key}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
        ("Connection", "close"),
    ]
    http = h11.Connection(h11.CLIENT)
    sent = http.send(h11.Request(method=method, target=_PREFIX + path, headers=headers)) or b""
    return sent + (http.send(h11.Data(data=content)) or b"") + (http.send(h11.EndOfMessage()) or b"")


async def _response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("Host", "emulator")]))
    http.send(h11.EndOfMessage())
    status, body = 0, bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return status, bytes(body)
