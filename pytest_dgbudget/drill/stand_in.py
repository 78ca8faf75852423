"""The stand-in for the vendor, a program of its own: it meters sockets, and says on stdout what it saw.

The first line has its two ports. Behind one it answers as the Voice Agent does; behind the other it reads nothing after
the Settings, and notices no Close. Each further line is one event of a session, with the key that opened it and the
millisecond of the monotonic clock, which is the same in all processes of a machine. It ends with its stdin.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import threading
import time
from typing import Any, NoReturn
from uuid import uuid4

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from pytest_dgbudget.drill.seen import AGENT_PATH, CLOSE_SEEN, CLOSED, OPENED, READY

_READ = 64 * 1024
# How long a client may take to close its side once the Close was answered.
_CLOSE_SECONDS = 1.0
# Where it exists, it tells of an end that comes after data which nobody reads.
_HUNG_UP = getattr(select, "POLLRDHUP", 0)

_writing = threading.Lock()


def main() -> NoReturn:
    """Serve until stdin ends."""
    ports = [_listen(is_deaf) for is_deaf in (False, True)]
    _say(port=ports[0], deaf_port=ports[1])
    sys.stdin.read()
    os._exit(0)  # without waiting for threads that wait for their clients


def _listen(is_deaf: bool) -> int:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=_accept, args=(listener, is_deaf), daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def _accept(listener: socket.socket, is_deaf: bool) -> None:
    while True:
        connection, _ = listener.accept()
        session = _Session(connection, is_deaf, now_ms())
        threading.Thread(target=session.serve, daemon=True).start()


def now_ms() -> int:
    return round(time.monotonic() * 1000)


def _say(**event: Any) -> None:
    with _writing:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


class _Session:
    """One connection, from its accept to the end of its socket, on a thread of its own."""

    def __init__(self, connection: socket.socket, is_deaf: bool, opened_ms: int) -> None:
        self._socket = connection
        self._is_deaf = is_deaf
        self._opened_ms = opened_ms
        self._protocol = ServerProtocol(max_size=None)
        self._id = str(uuid4())
        self._key: str | None = None
        self._was_told_to_close = False
        self._hears = True

    def serve(self) -> None:
        with self._socket, contextlib.suppress(OSError):
            while self._hears and (data := self._socket.recv(_READ)):
                self._protocol.receive_data(data)
                for event in self._protocol.events_received():
                    self._take(event)
                self._send()
            if not self._hears:
                self._wait_for_the_end()
        if self._key is not None:
            closed_ms = now_ms()
            self._tell_close(closed_ms)
            self._tell(CLOSED, closed_ms)

    def _take(self, event: Any) -> None:
        if isinstance(event, Request):
            self._answer(event)
        elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
            self._tell_close(now_ms())
            self._socket.settimeout(_CLOSE_SECONDS)
        elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
            self._hear(json.loads(bytes(event.data)))

    def _answer(self, request: Request) -> None:
        if request.path.partition("?")[0] != AGENT_PATH:
            self._protocol.send_response(self._protocol.reject(404, "there is an agent here, and nothing else"))
            return
        self._protocol.send_response(self._protocol.accept(request))
        self._key = request.headers.get("Authorization", "").rpartition(" ")[2]
        self._tell(OPENED, self._opened_ms)
        self._protocol.send_text(json.dumps({"type": "Welcome", "request_id": self._id}).encode())

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] != "Settings":
            return
        self._protocol.send_text(b'{"type":"SettingsApplied"}')
        self._tell(READY, now_ms())
        self._hears = not self._is_deaf

    def _send(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)
            else:
                self._socket.shutdown(socket.SHUT_WR)

    def _wait_for_the_end(self) -> None:
        """Wait until the connection is gone, without reading what has come."""
        poll = select.poll()
        poll.register(self._socket, _HUNG_UP)
        poll.poll()

    def _tell_close(self, at_ms: int) -> None:
        if not self._was_told_to_close:
            self._was_told_to_close = True
            self._tell(CLOSE_SEEN, at_ms)

    def _tell(self, what: str, at_ms: int) -> None:
        _say(what=what, key=self._key, session=self._id, at_ms=at_ms)
