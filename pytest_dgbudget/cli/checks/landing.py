"""A server on loopback in a gateway's place: it notes which requests come, and refuses them all."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

_LONGEST_HEAD = 65_536
_SECONDS = 5
_REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Landing:
    """Serves until it is left. ``heads`` are those of the requests that have come."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="dgbudget-landing", daemon=True)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Landing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(_SECONDS)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it was left
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    self._receive(client)

    def _receive(self, client: socket.socket) -> None:
        client.settimeout(_SECONDS)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            came = client.recv(4096)
            if not came:
                return
            head += came
        self.heads.append(head.decode("latin-1"))
        client.sendall(_REFUSAL)
