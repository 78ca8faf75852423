"""xdist's controller: it can't know whether a worker will want the gateway, so it keeps a door and one thread."""

from __future__ import annotations

import select
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.plugin.junit import attempt_properties
from pytest_dgbudget.plugin.state import STATE, State

if TYPE_CHECKING:
    from pytest_dgbudget.control.run import RunHandle


class SocketActivation:
    """Listens on loopback; the first worker that knocks makes it start the gateway behind the same socket.

    ``run`` is then what this process is to it.
    """

    def __init__(self, state: State) -> None:
        from pytest_dgbudget.control.supervisor import Supervisor, listen

        self._state = state
        self._listener = listen()
        self._supervisor = Supervisor(state.run_config, self._listener)
        self.port = self._supervisor.port
        self.secret = self._supervisor.secret
        self._stopping = False
        self.run: RunHandle | None = None
        self._thread = threading.Thread(target=self._wait_for_worker, name="dgbudget-door", daemon=True)
        self._thread.start()

    def stop_waiting(self) -> RunHandle | None:
        """Return, when no gateway will start any more, what this process is to the one that has."""
        self._stopping = True
        if self._thread.is_alive():
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as knock:
                knock.connect_ex(("127.0.0.1", self.port))
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
            # The workers that knocked are told by their own connections.
            self._state.failed = error


def tell_worker(node: Any) -> None:
    """Give a worker, replacements of crashed ones included, what it needs to join."""
    config: pytest.Config = node.config
    state = config.stash[STATE]
    if state.activation is None:
        state.activation = SocketActivation(state)
        config.pluginmanager.register(Crashes(state.activation, state.crashed), "dgbudget-crashes")
    node.workerinput["dgbudget"] = {
        "run_config": state.run_config.to_json(),
        "port": state.activation.port,
        "secret": str(state.activation.secret),  # xdist sends plain types only
        "worker": _worker_id(node),
    }


def _worker_id(node: Any) -> str:
    """What tells apart the tests that every worker runs; elsewhere a test is the same one on any worker."""
    return str(node.gateway.id) if node.config.getoption("dist", "no") == "each" else ""


class Crashes:
    """Asks for the figures of tests whose worker crashed: nobody else is left to tell them."""

    def __init__(self, activation: SocketActivation, crashed: list[pytest.TestReport]) -> None:
        self._activation = activation
        self._crashed = crashed

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        run = self._activation.run
        if run is None:
            return
        try:
            figures = run.gateway.ask("lost", nodeid=crashitem, worker=_worker_id(report.node))
        except DgBudgetError:
            return  # The gateway is gone as well; the end of the run says so.
        # A crash that is run again gets no testcase with a name: its figures are in the run's totals alone.
        if figures is not None and report.failed:
            report.user_properties += attempt_properties(figures)
            self._crashed.append(report)
