"""A server that records each request: the gateway as redirected clients see it, or the vendor with its certificate."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from tests.support.peers import Address

_WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE = 8


@dataclass
class Recorded:
    """One request; ``peer`` is the client's address, ``process`` the command of what has it.

    A WebSocket has the id that its Welcome says, and from when until when it was open, in ``time.monotonic()`` seconds.
    """

    method: str
    path: str
    headers: dict[str, str]
    peer: tuple[str, int]
    body: bytes = b""
    process: str | None = None
    request_id: str | None = None
    opened_at: float | None = None
    closed_at: float | None = None

    @property
    def credential(self) -> str | None:
        """What it shows: the value of Authorization, or the subprotocols."""
        return self.headers.get("authorization") or self.headers.get("sec-websocket-protocol")


@dataclass
class RecordingServer:
    """Runs on threads; a WebSocket gets a Welcome and its first subprotocol, another request JSON.

    ``welcomes`` is asked about each WebSocket; one that gets no Welcome stays open until somebody else ends it.
    """

    tls: ssl.SSLContext | None = None
    address: tuple[str, int] = ("127.0.0.1", 0)
    process_of: Callable[[Address, Address], str | None] = lambda peer, server: None  # which process has connected
    welcomes: Callable[[], bool] = lambda: True
    requests: list[Recorded] = field(default_factory=list)

    def __enter__(self) -> RecordingServer:
        self._server = _Server(self.address, self)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="recording server", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def take(self) -> Recorded:
        """Return the only request since the last call."""
        (one,) = self.requests
        self.requests.clear()
        return one


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], owner: RecordingServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError):  # a client that breaks off, or doesn't know our authority
            if self.owner.tls is None:
                super().finish_request(request, client_address)
            else:
                with self.owner.tls.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    request: socket.socket

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner, peer = self.server.owner, self.client_address
        recorded = Recorded(
            self.command, self.path, headers, peer, body, owner.process_of(peer, self.request.getsockname())
        )
        owner.requests.append(recorded)
        if headers.get("upgrade", "").lower() == "websocket":
            self._converse(headers, recorded)
        elif self.path == "/bypass":
            self._answer(204, b"")
        else:
            self._answer(200, json.dumps({"path": self.path}).encode())

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the library's names

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _converse(self, headers: dict[str, str], recorded: Recorded) -> None:
        self.close_connection = True
        recorded.request_id = str(uuid4())
        accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + _WEBSOCKET).encode()).digest())
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        self.send_header("dg-request-id", recorded.request_id)
        if "sec-websocket-protocol" in headers:
            self.send_header("Sec-WebSocket-Protocol", headers["sec-websocket-protocol"].split(",")[0].strip())
        self.end_headers()
        recorded.opened_at = time.monotonic()
        try:
            if self.server.owner.welcomes():
                self._send(1, json.dumps({"type": "Welcome", "request_id": recorded.request_id}).encode())
            while self._read_opcode() not in (_CLOSE, None):
                pass
            self._send(_CLOSE, b"\x03\xe8")
        finally:
            recorded.closed_at = time.monotonic()

    def _send(self, opcode: int, payload: bytes) -> None:
        self.wfile.write(bytes([0x80 | opcode, len(payload)]) + payload)

    def _read_opcode(self) -> int | None:
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        length = head[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self.rfile.read(2 if length == 126 else 8), "big")
        self.rfile.read(length + 4)
        return head[0] & 0x0F

    def log_message(self, *_: object) -> None:
        """Print nothing."""
