"""Start a gateway when it is first wanted, and not before: a listening socket and one thread until then."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from os import getpid, urandom
from typing import TYPE_CHECKING

from pytest_dgbudget.control.listening import handed_on, listen_at, listen_on_loopback
from pytest_dgbudget.control.part import Part, whole_invocation
from pytest_dgbudget.control.pending import PendingConnections
from pytest_dgbudget.control.unlisted_thread import UnlistedThread
from pytest_dgbudget.errors import DgBudgetError, GatewayError, LedgerError
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.secrets import Secret, knock

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.control.membership import RunsTests
    from pytest_dgbudget.control.run import RunHandle
    from pytest_dgbudget.control.supervisor import Supervisor

# Bound before a test can replace it.
_Socket = socket.socket


class SocketActivation:
    """Listens on loopback; the first worker or client that comes makes it start the gateway on the same socket.

    Who has connected by then is handed to the gateway. Who shows neither the control secret nor a token is
    disconnected, and starts nothing. ``listens_at`` is where else it listens, as ADDRESS:PORT. ``run`` is then what
    this process is to the gateway, with which ``has_opened`` is called, or ``error`` is why there is none. ``tests`` is
    None in a run that has no process tokens.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        tests: RunsTests | None = None,
        listen: str | None = None,
        part: Part | None = None,
    ) -> None:
        """``listen`` is where else, as ADDRESS:PORT; raises SettingsError where nothing can listen there.

        ``part`` is the gateway's in the invocation of a controller on another machine.
        """
        self._public_listener = None if listen is None else listen_at(listen)
        self._interpreter = interpreter
        self._process = getpid()
        self._tests = tests
        self.listens_at = None if self._public_listener is None else _address_of(self._public_listener)
        self._listener = listen_on_loopback()
        self._callers = PendingConnections(
            [each for each in (self._listener, self._public_listener) if each is not None]
        )
        self.part = part or whole_invocation()
        self._run_config: RunConfig | None = None
        self._over = False
        self._pausing = False
        self._opening = threading.Lock()  # plugins run several tests at once, in threads
        self._thread: UnlistedThread | None = None
        self.port: int = self._listener.getsockname()[1]
        self.secret = Secret(urandom(32).hex())
        self.run: RunHandle | None = None
        self.error: DgBudgetError | None = None
        self.has_opened: Callable[[RunHandle], None] | None = None
        if tests is not None:
            self.expect_client(tests.token)
            self._wait()

    def expect_client(self, token: str) -> None:
        """Start a gateway for clients that show this token."""
        self._callers.tokens.add(token)

    def expect_worker(self, token: str) -> None:
        """The same for a worker's, from when that worker can say which test it is running."""
        self._callers.worker_tokens.add(token)

    @property
    def came_without_test(self) -> int:
        """How many clients were refused because no test was running, as while test modules are imported."""
        return self._callers.came_without_test

    def begin(self, run_config: RunConfig) -> None:
        """Start a gateway of this configuration when it is wanted; before, clients learn that no test is running."""
        self._run_config = run_config
        self._callers.begin(knock(self.secret))
        if self._thread is None:
            self._wait()

    def open(self) -> RunHandle:
        """Return the handle on the gateway, started now if need be; raises LedgerError or GatewayError.

        A forked child has its parent start it.
        """
        if self.run is None and not self._is_own_process:
            from pytest_dgbudget.control.run import join_gateway

            return join_gateway(self.port, self.secret, None)
        with self._opening:
            if self.run is None and not self._over:
                self._pause()
                self._start_unless_started()
                self._wait()
            if self.run is None:
                raise self.error or GatewayError("the run is over; no gateway starts any more")
            return self.run

    def stop_waiting(self) -> RunHandle | None:
        """Return, when no gateway will start any more, what this process is to the one that has."""
        with self._opening:
            self._pause()
            self._end()
            return self.run

    @property
    def _is_own_process(self) -> bool:
        """False in a forked child."""
        return getpid() == self._process

    def _wait(self) -> None:
        if self.run is None and not self._over:
            self._pausing = False
            self._thread = UnlistedThread(self._serve_callers)

    def _pause(self) -> None:
        """End the thread, which may have started the gateway meanwhile."""
        self._pausing = True
        if self._thread is not None and self._thread.is_alive() and self._is_own_process:
            with _Socket(socket.AF_INET, socket.SOCK_STREAM) as waking:
                waking.connect_ex(("127.0.0.1", self.port))
            self._thread.join()

    def _serve_callers(self) -> None:
        while not (self._pausing or self._over or self.run is not None):
            if self._callers.want_gateway() and not self._pausing:
                self._start_unless_started()

    def _start_unless_started(self) -> None:
        if self.run is not None or self._run_config is None:
            return
        from pytest_dgbudget.control.on_demand import check_threads
        from pytest_dgbudget.control.run import start_gateway_of

        try:
            check_threads()
            self.run = start_gateway_of(self._supervisor(self._run_config), self._tests)
        except DgBudgetError as error:
            # Whoever has connected gets the error from that connection.
            self.error = error
            if isinstance(error, LedgerError) or self._tests is None:
                self._end()
            else:
                self._callers.turn_away()
        else:
            self._end()
            if self.has_opened is not None:
                self.has_opened(self.run)

    def _supervisor(self, run_config: RunConfig) -> Supervisor:
        """Return that of a gateway with what there is: the listeners, and who has connected."""
        from pytest_dgbudget.control.supervisor import Supervisor

        return Supervisor(
            run_config,
            handed_on(self._listener),
            self._interpreter,
            secret=self.secret,
            public_listener=None if self._public_listener is None else handed_on(self._public_listener),
            connected=self._callers.take(),
            worker_tokens=sorted(self._callers.worker_tokens),
            part=self.part,
        )

    def _end(self) -> None:
        """Leave the port to the gateway, or to nobody."""
        if not self._over:
            self._over = True
            self._callers.close()
            self._listener.close()
            if self._public_listener is not None:
                self._public_listener.close()


def _address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
