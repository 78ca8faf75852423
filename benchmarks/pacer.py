"""The load of many sessions at real-time pace: PORT TOKEN SESSIONS SECONDS.

Prints "began" and "ended", then the round trips in milliseconds; the sessions are open until its stdin ends.
Each session sends 50 messages of 640 bytes a second; the sessions' instants are spread evenly, as independent callers'
are. One thread without an event loop, so that it costs little and is on time to some ten microseconds.
"""

from __future__ import annotations

import array
import gc
import json
import select
import selectors
import socket
import sys
import time
from collections.abc import Sequence

from benchmarks.wire import BINARY, CLOSE, TEXT, Messages, from_client, header, upgrade_request
from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS

PATH = "/v1/agent/converse"
INTERVAL = 1 / 50
HEAD = header(BINARY, 640, 0x80) + bytes(4)
PADDING = bytes(632)
SETTLE_SECONDS = 0.5
GRACE_SECONDS = 1.0


class Session:
    """One connection that is ready to talk."""

    def __init__(self, port: int, token: str) -> None:
        self.socket = open_session(port, token)
        self.messages = Messages()
        self._await_message(b'"Welcome"')
        self.socket.sendall(from_client(TEXT, json.dumps(DEFAULT_SETTINGS).encode()))
        self._await_message(b'"SettingsApplied"')

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self) -> None:
        """One audio message that carries the time."""
        self.socket.sendall(HEAD + time.monotonic_ns().to_bytes(8, "big") + PADDING)

    def received(self) -> list[int]:
        """The times that came back."""
        messages = self.messages.feed(self.socket.recv(65536))
        return [int.from_bytes(payload[:8], "big") for opcode, payload in messages if opcode == BINARY]

    def close(self) -> None:
        self.socket.sendall(from_client(CLOSE, b"\x03\xe8"))
        while self.socket.recv(65536):
            pass
        self.socket.close()

    def _await_message(self, part: bytes) -> None:
        payloads: list[bytes] = []
        while not any(part in payload for payload in payloads):
            payloads = [payload for _, payload in self.messages.feed(self.socket.recv(65536))]


def open_session(port: int, token: str) -> socket.socket:
    """Return the socket of a session that has begun, after its 101."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(upgrade_request(port, PATH, token))
    read_head(connection)
    return connection


def read_head(connection: socket.socket) -> None:
    """Byte by byte: what follows it is the messages'."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1) or sys.exit("the connection was closed before its 101")
    if b" 101 " not in head.partition(b"\r\n")[0]:
        sys.exit(f"the handshake was refused: {head.decode()}")


class Load:
    """Sends when it is time, and meanwhile takes what comes back."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self._sessions = sessions
        self._selector = selectors.DefaultSelector()
        for session in sessions:
            self._selector.register(session, selectors.EVENT_READ)
        self.milliseconds = array.array("d")

    def run(self, seconds: float) -> None:
        """Send for so long, then wait until the last has come back, but not for ever."""
        gap = INTERVAL / len(self._sessions)
        count = round(seconds / gap)
        started = time.monotonic()
        for number in range(count):
            self._take_until(started + number * gap)
            self._sessions[number % len(self._sessions)].send()
        deadline = time.monotonic() + GRACE_SECONDS
        while len(self.milliseconds) < count and time.monotonic() < deadline:
            self._take_until(time.monotonic() + 0.01)
        self.milliseconds.extend([GRACE_SECONDS * 1000] * (count - len(self.milliseconds)))

    def _take_until(self, instant: float) -> None:
        """A selector alone waits in whole milliseconds; `select` on it, in microseconds."""
        while (left := instant - time.monotonic()) > 0:
            if select.select([self._selector], [], [], left)[0]:
                self._take()

    def _take(self) -> None:
        for key, _ in self._selector.select(0):
            session = key.fileobj
            assert isinstance(session, Session)
            for sent in session.received():
                self.milliseconds.append((time.monotonic_ns() - sent) / 1e6)


def main(port: int, token: str, sessions: int, seconds: float) -> None:
    opened = [Session(port, token) for _ in range(sessions)]
    load = Load(opened)
    gc.disable()
    load.run(SETTLE_SECONDS)
    load.milliseconds = array.array("d")
    print("began", flush=True)
    load.run(seconds)
    print("ended", flush=True)
    print(json.dumps([round(milliseconds, 4) for milliseconds in load.milliseconds]), flush=True)
    sys.stdin.read()
    for session in opened:
        session.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
