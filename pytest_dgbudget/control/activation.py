"""Start a gateway when it is first wanted, and not before: a listening socket and one thread until then."""

from __future__ import annotations

import select
import socket
import threading
from typing import TYPE_CHECKING

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.supervisor import Supervisor, listen
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.processes import Interpreter

if TYPE_CHECKING:
    from pytest_dgbudget.control.run import RunHandle


class SocketActivation:
    """Listens on loopback; the first worker that connects makes it start the gateway on the same socket.

    ``run`` is then what this process is to it, or ``error`` is why there is none.
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
        select.select([self._listener], [], [])
        if self._stopping:
            self._supervisor.retire()
            return
        from pytest_dgbudget.control.run import start_gateway_of

        try:
            self.run = start_gateway_of(self._supervisor)
        except DgBudgetError as error:
            # The workers that connected get the error from their own connections.
            self.error = error
