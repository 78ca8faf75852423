"""A server that stands in for the gateway, or for the vendor, and records each request: HTTP and WebSockets alike."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import trustme

from tests.support.stream_server import serving

MINTED = "d9b0d9e7" + "5" * 32
WELCOME = json.dumps({"type": "Welcome", "request_id": "11111111-2222-4333-8444-555555555555"})
VENDOR_NAMES = ("agent.deepgram.com", "api.deepgram.com", "api.eu.deepgram.com")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE = 8
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-allow-methods": "GET, POST, DELETE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def upgrades(self) -> bool:
        return self.headers.get("upgrade", "").lower() == "websocket"

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    @property
    def subprotocols(self) -> list[str]:
        return [one.strip() for one in self.headers.get("sec-websocket-protocol", "").split(",") if one.strip()]


@dataclass
class RecordingServer:
    """``pages``: files of a folder, served with these headers; ``others`` are answered as the gateway would."""

    tls: ssl.SSLContext | None = None
    pages: Path | None = None
    page_headers: dict[str, str] = field(default_factory=dict)
    requests: list[Recorded] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def sessions(self) -> list[Recorded]:
        return [request for request in self.requests if request.upgrades]

    @property
    def bypasses(self) -> list[dict[str, Any]]:
        reported = [one for one in self.requests if one.target == "/bypass" and one.method == "POST"]
        return [json.loads(request.body) for request in reported]

    def __enter__(self) -> RecordingServer:
        started = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(started),), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()

    async def _run(self, started: threading.Event) -> None:
        self._loop, self._is_over = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self._serve, self.tls) as self.port:
            started.set()
            await self._is_over.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await _read(reader)) is not None:
            self.requests.append(request)
            if request.upgrades:
                await _hold_session(request, reader, writer)
                break
            await self._answer(request, writer)

    async def _answer(self, request: Recorded, writer: asyncio.StreamWriter) -> None:
        status, headers, body = self._page(request) or _gateway_answer(request)
        lines = [f"HTTP/1.1 {status} -", f"content-length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    def _page(self, request: Recorded) -> tuple[int, dict[str, str], bytes] | None:
        if self.pages is None:
            return None
        file = self.pages / request.target.split("?")[0].lstrip("/")
        if not file.is_file():
            return None
        kind = {".html": "text/html", ".js": "text/javascript"}[file.suffix]
        return 200, {"content-type": kind, **self.page_headers}, file.read_bytes()


def _gateway_answer(request: Recorded) -> tuple[int, dict[str, str], bytes]:
    if request.method == "OPTIONS" or request.target == "/bypass":
        return 204, _CORS, b""
    if request.target.endswith(("/v1/auth/grant", "/token")):
        return 200, _CORS, json.dumps({"access_token": MINTED, "expires_in": 30}).encode()
    return 200, _CORS, json.dumps({"path": request.target}).encode()


async def _read(reader: asyncio.StreamReader) -> Recorded | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b"".join([part async for part in _body(reader, headers)])
    return Recorded(method=method, target=target, headers=headers, body=body.decode())


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> Any:
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            yield await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        yield await reader.readexactly(int(headers.get("content-length", "0")))


async def _hold_session(request: Recorded, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept it, say Welcome, and go on until the client closes."""
    accept = base64.b64encode(hashlib.sha1(request.headers["sec-websocket-key"].encode() + _MAGIC).digest())
    lines = ["HTTP/1.1 101 -", "upgrade: websocket", "connection: upgrade", f"sec-websocket-accept: {accept.decode()}"]
    if request.subprotocols:
        lines.append(f"sec-websocket-protocol: {request.subprotocols[0]}")
    writer.write("\r\n".join([*lines, "", ""]).encode() + bytes([0x81, len(WELCOME)]) + WELCOME.encode())
    while await _next_opcode(reader) != _CLOSE:
        pass
    writer.write(bytes([0x88, 2]) + (1000).to_bytes(2, "big"))
    await writer.drain()


async def _next_opcode(reader: asyncio.StreamReader) -> int:
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    await reader.readexactly(4 + size)
    return first & 0x0F


@contextlib.contextmanager
def vendor_over_tls(authority_file: Path) -> Iterator[RecordingServer]:
    """The vendor, by its own names, for clients that trust the authority in this file."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(authority_file))
    tls = server_tls(authority)
    tls.set_alpn_protocols(["h2", "http/1.1"])  # it prefers what nobody could read here
    with RecordingServer(tls=tls) as server:
        yield server


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*VENDOR_NAMES, "localhost").configure_cert(context)
    return context
