"""xdist's controller: it can't know whether a worker will want the gateway, so it keeps a door and one thread."""

from __future__ import annotations

import select
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.plugin.state import STATE, State

if TYPE_CHECKING:
    from pytest_dgbudget.plugin.owner import Owner


class Doorkeeper:
    """Listens on loopback; the first worker that knocks makes it start the gateway behind the same socket."""

    def __init__(self, state: State) -> None:
        from pytest_dgbudget.gateway.launch import Launch, listen

        self._state = state
        self._launch = Launch(state.settings)
        self._listener = listen()
        self.port: int = self._listener.getsockname()[1]
        self.secret = self._launch.secret
        self._stopping = False
        self._owner: Owner | None = None
        self._thread = threading.Thread(target=self._wait_for_worker, name="dgbudget-door", daemon=True)
        self._thread.start()

    def stop_waiting(self) -> Owner | None:
        """Return, when no gateway will start any more, what this process is to the one that has."""
        self._stopping = True
        if self._thread.is_alive():
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as knock:
                knock.connect_ex(("127.0.0.1", self.port))
            self._thread.join()
        return self._owner

    def _wait_for_worker(self) -> None:
        select.select([self._listener], [], [])
        if self._stopping:
            self._listener.close()
            return
        from pytest_dgbudget.plugin.owner import start_gateway_on

        try:
            self._owner = start_gateway_on(self._launch, self._listener)
        except DgBudgetError as error:
            # The workers that knocked are told by their own connections.
            self._state.failed = error


def tell_worker(node: Any) -> None:
    """Give a worker, replacements of crashed ones included, what it needs to join."""
    config: pytest.Config = node.config
    state = config.stash[STATE]
    if state.doorkeeper is None:
        state.doorkeeper = Doorkeeper(state)
    node.workerinput["dgbudget"] = {
        "settings": state.settings.plain(),
        "port": state.doorkeeper.port,
        "secret": state.doorkeeper.secret,
        "worker": node.workerinput["workerid"] if config.getoption("dist", "no") == "each" else "",
    }
