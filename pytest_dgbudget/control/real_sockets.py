"""Real sockets, whatever a test that is under way has made of ``socket.socket``."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

# Bound before a test can replace it.
_Socket = socket.socket


@contextmanager
def real_sockets() -> Iterator[None]:
    """Put the real class back for a moment: socketpair, of which event loops are made, looks it up by its name."""
    replaced = socket.socket
    socket.socket = _Socket  # type: ignore[misc]
    try:
        yield
    finally:
        socket.socket = replaced  # type: ignore[misc]
