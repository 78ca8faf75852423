"""Where a gateway will listen: bound by the process that starts it, and handed on to each successor."""

from __future__ import annotations

import os
import socket
import weakref

from pytest_dgbudget.errors import SettingsError

# Bound before a test can replace it.
_Socket = socket.socket


def listen_on_loopback() -> socket.socket:
    """Bind the port that a gateway will serve, on loopback only."""
    listener = _Socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    _LISTENERS.add(listener)
    return listener


def listen_at(address: str) -> socket.socket:
    """Bind ADDRESS:PORT, as --dg-listen names it; raises SettingsError."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    listener = _Socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a port is taken for minutes after a run
    try:
        listener.bind((host.strip("[]"), int(port)))
    except OSError as error:
        listener.close()
        raise SettingsError(f"--dg-listen: nothing can listen at {address}: {error.strerror or error}") from None
    listener.listen(1024)
    _LISTENERS.add(listener)
    return listener


def handed_on(listener: socket.socket) -> socket.socket:
    """Return the same port for a gateway and its successors; it stays open when this listener is closed."""
    other = listener.dup()
    _LISTENERS.add(other)
    return other


def accept(listener: socket.socket) -> socket.socket:
    """Accept a connection; raises OSError. The method of that name makes one of whatever a test calls socket."""
    descriptor, _ = listener._accept()  # type: ignore[attr-defined]
    return _Socket(listener.family, listener.type, listener.proto, fileno=descriptor)


_LISTENERS: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for listener in list(_LISTENERS):
        listener.close()


if hasattr(os, "register_at_fork"):
    # A child would keep the port open when nobody is left to serve it.
    os.register_at_fork(after_in_child=_let_go_in_child)
