"""Start a gateway when it is first wanted, and not before: a listening socket and one thread until then."""

from __future__ import annotations

import socket
import threading
from os import getpid, urandom
from typing import TYPE_CHECKING

from pytest_dgbudget.control.listening import handed_on, listen_at, listen_on_loopback
from pytest_dgbudget.control.pending import PendingConnections
from pytest_dgbudget.errors import DgBudgetError, GatewayError, LedgerError
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.secrets import Secret, knock

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.control.membership import RunsTests
    from pytest_dgbudget.control.run import RunHandle

# Bound before a test can replace them.
_Thread = threading.Thread
_start_thread = threading.Thread.start
_Socket = socket.socket


class SocketActivation:
    """Listens on loopback; the first worker or client that comes makes it start the gateway on the same socket.

    Who has connected by then is handed to the gateway. Who shows neither the control secret nor a token is
    disconnected, and starts nothing. ``listens_at`` is where else it listens, as ADDRESS:PORT. ``run`` is then what
    this process is to the gateway, or ``error`` is why there is none. ``tests`` is None in a run that has no process
    tokens.
    """

    def __init__(self, interpreter: Interpreter, tests: RunsTests | None = None, listen: str | None = None) -> None:
        """``listen`` is where else, as ADDRESS:PORT; raises SettingsError where nothing can listen there."""
        self._public_listener = None if listen is None else listen_at(listen)
        self._interpreter = interpreter
        self._process = getpid()
        self._tests = tests
        self.listens_at = None if self._public_listener is None else _address_of(self._public_listener)
        self._listener = listen_on_loopback()
        self._callers = PendingConnections(
            [each for each in (self._listener, self._public_listener) if each is not None]
        )
        self._run_config: RunConfig | None = None
        self._over = False
        self._pausing = False
        self._opening = threading.Lock()  # plugins run several tests at once, in threads
        self._thread: threading.Thread | None = None
        self.port: int = self._listener.getsockname()[1]
        self.secret = Secret(urandom(32).hex())
        self.run: RunHandle | None = None
        self.error: DgBudgetError | None = None
        if tests is not None:
            self.expect_client(tests.token)
            self._wait()

    def expect_client(self, token: str) -> None:
        """Start a gateway for clients that show this token."""
        self._callers.tokens.add(token)

    def expect_worker(self, token: str) -> None:
        """The same for a worker's, from when that worker can say which test it is running."""
        self._callers.worker_tokens.add(token)

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
        if self.run is None and getpid() != self._process:
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

    def _wait(self) -> None:
        if self.run is None and not self._over:
            self._pausing = False
            self._thread = _Thread(target=self._serve_callers, name="dgbudget-activation", daemon=True)
            _start_thread(self._thread)

    def _pause(self) -> None:
        """End the thread, which may have started the gateway meanwhile."""
        self._pausing = True
        if self._thread is not None and self._thread.is_alive():
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
        from pytest_dgbudget.control.run import start_gateway_of
        from pytest_dgbudget.control.supervisor import Supervisor

        supervisor = Supervisor(
            self._run_config,
            handed_on(self._listener),
            self._interpreter,
            secret=self.secret,
            public_listener=None if self._public_listener is None else handed_on(self._public_listener),
            connected=self._callers.take(),
            worker_tokens=sorted(self._callers.worker_tokens),
        )
        try:
            self.run = start_gateway_of(supervisor, self._tests)
        except DgBudgetError as error:
            # Whoever has connected gets the error from that connection.
            self.error = error
            if isinstance(error, LedgerError) or self._tests is None:
                self._end()
            else:
                self._callers.turn_away()
        else:
            self._end()

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
