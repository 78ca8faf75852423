"""Functions that have an endpoint: the emulator calls those on plain HTTP on this machine, and no others.

The vendor documents an endpoint's URL, method and headers. How arguments are sent is the emulator's choice: in the body
as JSON, or in the query of a GET or HEAD.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlencode, urlsplit

import h11

PATIENCE_SECONDS = 10.0
MAX_ANSWER = 2**20  # bytes
_IN_QUERY = ("GET", "HEAD")


class EndpointFailed(Exception):
    """The endpoint gave no usable answer; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionEndpoint:
    """Where and how a function is called."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def local(self) -> bool:
        """Whether it is plain HTTP on the loopback interface."""
        try:
            parts = urlsplit(self.url)
            return parts.scheme == "http" and bool(_address(parts.hostname or "")) and parts.port != 0
        except ValueError:
            return False


async def fetch(endpoint: FunctionEndpoint, arguments: str, *, patience: float = PATIENCE_SECONDS) -> str:
    """Call it with a JSON text and return its answer's body.

    Raises EndpointFailed, also for any status but 2xx, and when there is no answer within ``patience`` seconds.
    """
    try:
        return await asyncio.wait_for(_fetch(endpoint, arguments), patience)
    except asyncio.TimeoutError:
        raise EndpointFailed(f"{endpoint.url} gave no answer within {patience:g} s") from None
    except (OSError, h11.ProtocolError, UnicodeError) as error:
        raise EndpointFailed(f"{endpoint.url} failed: {error}") from None


async def _fetch(endpoint: FunctionEndpoint, arguments: str) -> str:
    parts = urlsplit(endpoint.url)
    reader, writer = await asyncio.open_connection(_address(parts.hostname or ""), parts.port or 80)
    try:
        connection = h11.Connection(h11.CLIENT)
        for event in _request(endpoint, parts, arguments):
            writer.write(connection.send(event) or b"")
        await writer.drain()
        return await _answer(endpoint, connection, reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _request(endpoint: FunctionEndpoint, parts: SplitResult, arguments: str) -> list[h11.Event]:
    query, body = parts.query, arguments.encode()
    if endpoint.method.upper() in _IN_QUERY:
        query, body = "&".join(filter(None, (query, urlencode(json.loads(arguments))))), b""
    own = {"host": parts.netloc.rpartition("@")[2], "content-type": "application/json", "connection": "close"}
    headers = {**own, **{name.lower(): value for name, value in endpoint.headers.items()}}
    headers["content-length"] = str(len(body))
    target = (parts.path or "/") + (f"?{query}" if query else "")
    head = h11.Request(method=endpoint.method.upper(), target=target, headers=list(headers.items()))
    return [head, h11.Data(data=body), h11.EndOfMessage()]


async def _answer(endpoint: FunctionEndpoint, connection: h11.Connection, reader: asyncio.StreamReader) -> str:
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response) and not 200 <= event.status_code < 300:
            raise EndpointFailed(f"{endpoint.url} answered {event.status_code}")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_ANSWER:
                raise EndpointFailed(f"{endpoint.url} answered with more than {MAX_ANSWER} bytes")
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return body.decode(errors="replace")
        elif event is h11.PAUSED:
            raise EndpointFailed(f"{endpoint.url} answered in another protocol")


def _address(host: str) -> str:
    """Return this host's loopback address; empty if it is not loopback, or would have to be looked up."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return host if ipaddress.ip_address(host).is_loopback else ""
    except ValueError:
        return ""
