"""Start a gateway when it is first wanted, and not before: a listening socket and one thread until then."""

from __future__ import annotations

import contextlib
import hmac
import select
import selectors
import socket
import threading
from typing import TYPE_CHECKING

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.supervisor import Supervisor, listen
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.authentication import knock
from pytest_dgbudget.protocol.codes import KNOCK_HEADER

if TYPE_CHECKING:
    from pytest_dgbudget.control.run import RunHandle

# A worker knocks at once. Of those that say nothing, or anything else, so many are kept, and so much of each.
_MOST_CALLERS = 64
_LONGEST_CALL = 4096
_AGAIN_SECONDS = 0.1

# It needs no descriptor of its own; Windows lacks it, and there the plugin only loads.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


class SocketActivation:
    """Listens on loopback; the first worker that connects makes it start the gateway on the same socket.

    The worker is disconnected, and connects again. Who does not know the secret is disconnected, and starts nothing.
    ``run`` is then what this process is to the gateway, or ``error`` is why there is none.
    """

    def __init__(self, run_config: RunConfig) -> None:
        self._listener = listen()
        self._supervisor = Supervisor(run_config, self._listener, Interpreter.of_this_process())
        self.port = self._supervisor.port
        self.secret = self._supervisor.secret
        self._stopping = False
        self.run: RunHandle | None = None
        self.error: DgBudgetError | None = None
        self._thread = threading.Thread(target=self._wait_for_worker, name="dgbudget-activation", daemon=True)
        self._thread.start()

    def stop_waiting(self) -> RunHandle | None:
        """Return, when no gateway will start any more, what this process is to the one that has."""
        self._stopping = True
        if self._thread.is_alive():
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as waking:
                waking.connect_ex(("127.0.0.1", self.port))
            self._thread.join()
        return self.run

    def _wait_for_worker(self) -> None:
        with contextlib.closing(_Callers(self._listener, knock(self.secret))) as callers:
            while not self._stopping and not callers.has_worker():
                pass
        if self._stopping:
            self._supervisor.retire()
            return
        from pytest_dgbudget.control.run import start_gateway_of

        try:
            self.run = start_gateway_of(self._supervisor)
        except DgBudgetError as error:
            # The workers that connected get the error from their own connections.
            self.error = error


class _Callers:
    """Those that have connected and not shown yet who they are; ``close`` disconnects them."""

    def __init__(self, listener: socket.socket, knocking: str) -> None:
        self._listener = listener
        self._knocking = knocking.encode()
        self._said: dict[socket.socket, bytes] = {}
        self._selector = _Selector()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)

    def has_worker(self) -> bool:
        """Wait until somebody connects or speaks; return whether that is a worker."""
        for key, _ in self._selector.select():
            if key.fileobj is self._listener:
                self._accept()  # which may disconnect one of the others
            elif key.fileobj in self._said and self._is_worker(key.fileobj):
                return True
        return False

    def close(self) -> None:
        for caller in list(self._said):
            self._disconnect(caller)
        self._selector.close()

    def _accept(self) -> None:
        try:
            caller, _ = self._listener.accept()
        except OSError:  # It is gone again, or no descriptor is left for it: then not at once again.
            select.select([], [], [], _AGAIN_SECONDS)
            return
        caller.setblocking(False)
        self._said[caller] = b""
        self._selector.register(caller, selectors.EVENT_READ)
        if len(self._said) > _MOST_CALLERS:
            self._disconnect(next(iter(self._said)))

    def _is_worker(self, caller: socket.socket) -> bool:
        """Return whether it has knocked; who has said all, and something else, is disconnected."""
        try:
            more = caller.recv(_LONGEST_CALL)
        except OSError:
            more = b""
        self._said[caller] += more
        said = self._said[caller]
        if more and b"\r\n\r\n" not in said and len(said) < _LONGEST_CALL:
            return False
        knocking = said.partition(f"\r\n{KNOCK_HEADER}: ".encode())[2].partition(b"\r\n")[0]
        if hmac.compare_digest(knocking, self._knocking):
            return True
        self._disconnect(caller)
        return False

    def _disconnect(self, caller: socket.socket) -> None:
        self._selector.unregister(caller)
        caller.close()
        del self._said[caller]
