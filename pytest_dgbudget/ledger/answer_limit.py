"""An end to waiting for a server that answers no more, and whose machine still takes what is sent to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LOOKS_SECONDS = 1.0


class AnswerLimit:
    """Shuts a connection's socket down when an answer takes too long: who waits for it finds the connection lost."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._awaited: tuple[int, float] | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def on(self, descriptor: int) -> Iterator[None]:
        """Wait for an answer on this socket within the limit."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="ledger-answers", daemon=True)
            self._thread.start()
        with self._lock:
            self._awaited = descriptor, time.monotonic() + self._seconds
        try:
            yield
        finally:
            with self._lock:
                self._awaited = None

    def close(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_LOOKS_SECONDS):
            with self._lock:
                if self._awaited is not None and time.monotonic() > self._awaited[1]:
                    _shut_down(self._awaited[0])
                    self._awaited = None


def _shut_down(descriptor: int) -> None:
    """End both directions of a connection that belongs to somebody else, who is to close it."""
    with suppress(OSError):
        borrowed = socket.socket(fileno=descriptor)
        try:
            borrowed.shutdown(socket.SHUT_RDWR)
        finally:
            borrowed.detach()
