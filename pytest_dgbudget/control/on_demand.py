"""The run of a process that may need its gateway later, or never: joined or started by the first use."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.connection import no_socket
from pytest_dgbudget.control.environment import EnvironmentClaim
from pytest_dgbudget.control.membership import RunsTests
from pytest_dgbudget.control.part import Part
from pytest_dgbudget.control.real_sockets import real_sockets
from pytest_dgbudget.control.run import RunHandle, join_gateway, start_gateway
from pytest_dgbudget.errors import DgBudgetError, GatewayError, LedgerError
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.secrets import Secret

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


class RunOnDemand:
    """``run`` is the handle once there is one; ``error`` is why there is none although one was wanted.

    ``has_opened`` is called with the handle as soon as there is one.
    """

    def __init__(self, open_run: Callable[[], RunHandle]) -> None:
        self._open_run = open_run
        self.run: RunHandle | None = None
        self.error: DgBudgetError | None = None
        self.has_opened: Callable[[RunHandle], None] | None = None
        self.environment = EnvironmentClaim()
        self._lock = threading.Lock()  # plugins run several tests at once, in threads
        self._pid = os.getpid()

    def open(self) -> RunHandle:
        """Return the handle, the same one every time; raises LedgerError, the same one every time, or GatewayError.

        What kept a test from the gateway may have been what that test made of its world: the next one tries again.
        """
        with self._lock:
            if isinstance(self.error, LedgerError):
                raise self.error
            if self.run is None:
                try:
                    check_threads()
                    _check_sockets()
                    self.run = self._opened()
                except DgBudgetError as error:
                    self.error = error
                    raise
                self.error = None
                if self.has_opened is not None:
                    self.has_opened(self.run)
            self.run = self.run.in_this_process()
            return self.run

    def _opened(self) -> RunHandle:
        try:
            return self._open_run()
        except LedgerError as error:
            if os.getpid() == self._pid:
                raise
            raise LedgerError(
                f"{error} (this process was forked from pytest and needs a gateway of its own: use one process, "
                "or pytest-xdist, whose workers share a gateway)"
            ) from error


def check_threads() -> None:
    """Raise GatewayError where gevent or eventlet has replaced what an event loop on a thread of its own runs on."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and any(map(gevent.is_module_patched, ("threading", "subprocess", "select", "socket"))):
        how = "gevent: use monkey.patch_all(thread=False, subprocess=False, select=False, socket=False)"
    elif eventlet is not None and eventlet.is_monkey_patched("thread"):
        how = "eventlet: use eventlet.monkey_patch(thread=False)"
    else:
        return
    raise GatewayError(
        f"voice_agent needs threads of the system's, which are patched here by {how}, "
        "or run these tests in a pytest of their own that patches nothing"
    )


def _check_sockets() -> None:
    """Open and close what an event loop consists of; raises GatewayError where pytest-socket or the system refuses."""
    try:
        if getattr(socket.socket, "__module__", "") == "pytest_socket":
            socket.socket(socket.AF_UNIX).close()
        with real_sockets():
            for end in socket.socketpair():
                end.close()
    except OSError as error:
        raise no_socket(error) from error
    except RuntimeError:
        raise GatewayError(
            "pytest-socket refuses the socket pair that every event loop needs: "
            "set --allow-unix-socket, or mark the test with enable_socket"
        ) from None


def join_on_demand(port: int, secret: str, tests: RunsTests | None) -> RunOnDemand:
    """Return the run of an xdist worker, which joins its controller's gateway."""

    def join() -> RunHandle:
        try:
            return join_gateway(port, Secret(secret), tests)
        except GatewayError as error:
            raise GatewayError(
                f"{error}; an xdist worker uses its controller's gateway, on the same machine"
            ) from error

    return RunOnDemand(join)


def start_on_demand(run_config: Callable[[], RunConfig], part: Part | None = None) -> RunOnDemand:
    """Return the run of a process that starts its own gateway; ``run_config`` is called only then.

    ``part`` is the gateway's in the invocation of a controller on another machine.
    """
    interpreter = Interpreter.of_this_process()
    return RunOnDemand(lambda: start_gateway(run_config(), interpreter, part))
