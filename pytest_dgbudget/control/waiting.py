"""A worker's wait for the gateway of its controller: joined as soon as there is one, whoever made it start."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import weakref
from collections.abc import Callable

from pytest_dgbudget.protocol.codes import CONTROL_PATH, CONTROL_UPGRADE, KNOCK_HEADER, WAIT_HEADER
from pytest_dgbudget.protocol.secrets import knock

# Bound before a test can replace them.
_Thread = threading.Thread
_start_thread = threading.Thread.start
_current_thread = threading.current_thread
_connect = socket.create_connection


class GatewayWait:
    """Asks for a control connection that is answered when a gateway starts, and then calls ``started``, once.

    A client may come for this process before it needs a gateway itself.
    """

    def __init__(self, port: int, secret: str, token: str, started: Callable[[], object]) -> None:
        self._started = started
        self._socket = _connect(("127.0.0.1", port))
        self._socket.sendall(
            f"GET {CONTROL_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
            f"Upgrade: {CONTROL_UPGRADE}\r\n{KNOCK_HEADER}: {knock(secret)}\r\n{WAIT_HEADER}: {token}\r\n\r\n".encode()
        )
        _WAITING.add(self)
        self._thread = _Thread(target=self._wait, name="dgbudget-wait", daemon=True)
        _start_thread(self._thread)

    def stop(self) -> None:
        """End the wait. May be called again."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if _current_thread() is not self._thread:
            self._thread.join()

    def close_in_child(self) -> None:
        self._socket.close()

    def _wait(self) -> None:
        with contextlib.closing(self._socket), contextlib.suppress(OSError):
            if self._socket.recv(1):
                self._started()


_WAITING: weakref.WeakSet[GatewayWait] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for waiting in list(_WAITING):
        waiting.close_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
