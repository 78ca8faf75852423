"""Those that connect before there is a gateway: who they are, and what they have said so far."""

from __future__ import annotations

import contextlib
import hmac
import re
import select
import selectors
import socket
from collections.abc import Iterable, Sequence

from pytest_dgbudget.control.listening import accept
from pytest_dgbudget.protocol import codes

# Who may come, comes with a request at once. Of those that say nothing, or anything else, so many are kept, and so
# much of each.
_MOST_CALLERS = 64
_LONGEST_CALL = 16 * 1024
_AGAIN_SECONDS = 0.1
_END_OF_HEAD = b"\r\n\r\n"
_CREDENTIALS = re.compile(rb"\r\n(?:authorization|sec-websocket-protocol):([^\r]*)", re.IGNORECASE)

# It needs no descriptor of its own; Windows lacks it, and there the plugin only loads.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


class PendingConnections:
    """Those that have connected and not been answered yet. ``tokens`` has those of clients that are expected.

    ``worker_tokens`` has those of workers: each has clients once it waits here itself, and runs no test before.
    ``came_without_test`` counts clients that were refused because no test was running.
    Owners may come to the first of the listeners, clients to all of them.
    """

    def __init__(self, listeners: Sequence[socket.socket]) -> None:
        self._listeners = listeners
        self._knock: bytes | None = None
        self._said: dict[socket.socket, bytes] = {}
        self._selector = _Selector()
        self._waiting: dict[socket.socket, str] = {}
        self.tokens: set[str] = set()
        self.worker_tokens: set[str] = set()
        self.came_without_test = 0
        for listener in listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)

    def begin(self, knock: str) -> None:
        """Let in whoever knocks like this, and clients; until now, these learned that no test is running."""
        self._knock = knock.encode()

    def want_gateway(self) -> bool:
        """Wait until somebody connects or speaks; return whether that needs a gateway."""
        for key, _ in self._selector.select():
            listener = next((each for each in self._listeners if each is key.fileobj), None)
            if listener is not None:
                self._accept(listener)  # which may disconnect one of the others
            elif key.fileobj in self._said and self._wants_gateway(key.fileobj):
                return True
        return False

    def take(self) -> list[tuple[socket.socket, bytes]]:
        """Return all that are connected, with what they have said; they are not ours any more."""
        taken = list(self._said.items())
        for caller in list(self._said):
            self._forget(caller)
        return taken

    def turn_away(self) -> None:
        """Disconnect all of them, and whoever has connected since: they wanted the gateway that did not start."""
        for caller, _ in self.take():
            caller.close()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                while True:
                    accept(listener).close()

    def close(self) -> None:
        """Disconnect all of them."""
        for caller, _ in self.take():
            caller.close()
        self._selector.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            caller = accept(listener)
        except OSError:  # It is gone again, or no descriptor is left for it: then not at once again.
            select.select([], [], [], _AGAIN_SECONDS)
            return
        caller.setblocking(False)
        self._said[caller] = b""
        self._selector.register(caller, selectors.EVENT_READ)
        if len(self._said) > _MOST_CALLERS:
            self._disconnect(next(iter(self._said)))

    def _wants_gateway(self, caller: socket.socket) -> bool:
        """Return whether it needs a gateway now; who has said all, and is nobody that we expect, is disconnected."""
        try:
            more = caller.recv(_LONGEST_CALL)
        except OSError:
            more = b""
        self._said[caller] += more
        head, end, _ = self._said[caller].partition(_END_OF_HEAD)
        if more and not end and len(head) < _LONGEST_CALL:
            return False
        if more and end and self._knocks(caller, head):
            if waiting := _header(head, codes.WAIT_HEADER).decode("latin-1"):
                self._waiting[caller] = waiting
            return not waiting
        if more and end and self._is_client(head):
            if self._knock is not None and self._runs_tests(head):
                return True
            self.came_without_test += 1
            _say_that_no_test_runs(caller)
        self._disconnect(caller)
        return False

    def _knocks(self, caller: socket.socket, head: bytes) -> bool:
        if self._knock is None or caller.getsockname() != self._listeners[0].getsockname():
            return False
        return hmac.compare_digest(_header(head, codes.KNOCK_HEADER), self._knock)

    def _is_client(self, head: bytes) -> bool:
        """Return whether it shows a token of ours; a browser asks before it shows anything."""
        asks_first = head.startswith(b"OPTIONS ") and b"\r\norigin:" in head.lower()
        return bool(self.tokens) and (asks_first or _shows(head, self.tokens | self.worker_tokens))

    def _runs_tests(self, head: bytes) -> bool:
        """Return whether the process may run a test that is meant: a worker that does not wait here yet runs none."""
        return not _shows(head, self.worker_tokens - set(self._waiting.values()))

    def _disconnect(self, caller: socket.socket) -> None:
        self._forget(caller)
        caller.close()

    def _forget(self, caller: socket.socket) -> None:
        self._selector.unregister(caller)
        self._waiting.pop(caller, None)
        del self._said[caller]


def _header(head: bytes, name: str) -> bytes:
    return head.partition(f"\r\n{name}: ".encode())[2].partition(b"\r\n")[0]


def _shows(head: bytes, tokens: Iterable[str]) -> bool:
    shown = b" ".join(_CREDENTIALS.findall(head)).decode("latin-1")
    return any(token in shown for token in tokens)


def _say_that_no_test_runs(caller: socket.socket) -> None:
    from uuid import uuid4

    from pytest_dgbudget.protocol.answers import NO_TEST, error_answer  # here: few runs need it

    with contextlib.suppress(OSError):
        caller.send(error_answer(403, codes.NO_TEST, NO_TEST, str(uuid4())))
