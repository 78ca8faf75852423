"""The least of WebSocket that our server and load generator need, so that they cost little: whole short messages."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where the library has it so

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = base64.b64encode(b"sixteen bytes!!!").decode()


def upgrade_request(port: int, path: str, token: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\nAuthorization: Token {token}\r\n\r\n"
    ).encode()


def upgrade_response(head: bytes) -> bytes:
    """The 101 for a request's head."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")]
    key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def from_server(opcode: int, payload: bytes) -> bytes:
    return header(opcode, len(payload), 0) + payload


def from_client(opcode: int, payload: bytes) -> bytes:
    """Masked with zeros, which changes nothing and costs nothing."""
    return header(opcode, len(payload), 0x80) + bytes(4) + payload


def header(opcode: int, length: int, mask: int) -> bytes:
    if length < 126:
        return bytes((0x80 | opcode, mask | length))
    return struct.pack("!BBH", 0x80 | opcode, mask | 126, length)


class Messages:
    """Finds the messages in one direction of a connection."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Opcode and payload of each message that is whole by now."""
        data = self._rest + data if self._rest else data
        at, size = 0, len(data)
        while size - at >= 2:
            start, end = _payload(data, at, size)
            if end > size:
                break
            payload = data[start:end]
            yield data[at] & 0x0F, apply_mask(payload, data[start - 4 : start]) if data[at + 1] & 0x80 else payload
            at = end
        self._rest = data[at:]


def _payload(data: bytes, at: int, size: int) -> tuple[int, int]:
    """Where a message's payload begins and ends; the end is beyond `size` while its header isn't whole."""
    second = data[at + 1]
    length, start = second & 0x7F, at + 2
    if length == 126:
        start = at + 4
        length = data[at + 2] << 8 | data[at + 3] if start <= size else size
    if second & 0x80:
        start += 4
    return start, start + length
