"""Start a gateway: a process of its own that holds nothing of ours but its end of a socket and a pipe."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from os import getpid, urandom
from pathlib import Path
from socket import gethostname
from threading import Lock

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.browser_scripts import BROWSER_SCRIPTS
from pytest_dgbudget.control.part import Part, whole_invocation
from pytest_dgbudget.control.real_time import has_ended
from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.paths import (
    existing_folder,
    file_exists,
    make_folder,
    make_private_folder,
    open_file,
    read_text,
    remove_file,
)
from pytest_dgbudget.processes import Interpreter, copy_of_module, process_started
from pytest_dgbudget.protocol.authentication import Role
from pytest_dgbudget.protocol.secrets import Secret
from pytest_dgbudget.protocol.startup import LOG_VARIABLE, GatewayConfig

# Bound before a test can replace it.
_Popen: type[subprocess.Popen[bytes]] = copy_of_module("subprocess").Popen

# A gateway that dies again and again has a reason that another one would meet, too.
_MOST_SUCCESSORS = 5
# A gateway that lost its controller closes everything, reports, and is gone by then.
_END_SECONDS = 5


class Supervisor:
    """Keeps a gateway on the listening socket of one invocation: starts it, and a successor when it dies."""

    def __init__(
        self,
        run_config: RunConfig,
        listener: socket.socket,
        interpreter: Interpreter,
        *,
        secret: Secret | None = None,
        public_listener: socket.socket | None = None,
        connected: Sequence[tuple[socket.socket, bytes]] = (),
        worker_tokens: Sequence[str] = (),
        part: Part | None = None,
        most_successors: int = _MOST_SUCCESSORS,
    ) -> None:
        """``connected`` are handed to the gateway, with what has come by them.

        ``part``: which part in which invocation the gateway has; None: all of one of its own.

        ``public_listener`` is for applications that can't reach loopback, ``worker_tokens`` are those of workers that
        may join.
        """
        self._run_config = run_config
        self._listener = listener
        self._interpreter = interpreter
        self._public_listener = public_listener
        self._connected = list(connected)
        self._worker_tokens = tuple(worker_tokens)
        self._part = part or whole_invocation()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path()
        self._temporary_folder = Path(tempfile.gettempdir()) / f"dgbudget-{urandom(16).hex()}"
        self._successors = 0
        self._was_joined = False
        self._most_successors = most_successors
        self._retired = False
        self._lock = Lock()
        self.port: int = listener.getsockname()[1]
        self.secret = secret or Secret(urandom(32).hex())

    @property
    def role(self) -> Role:
        """What the process is to the gateway that has started it."""
        return "controller" if self._part.elsewhere is None else "elsewhere"

    def start(self) -> None:
        """Start the gateway; raises GatewayError."""
        self._start(predecessor=None)

    def replace(self) -> None:
        """Start a successor when the gateway has ended; raises GatewayError when there will be none."""
        with self._lock:
            why = self.why_it_ended()
            if self._retired:
                raise GatewayError(f"the gateway is gone: {why}")
            if self._successors == self._most_successors:
                self._listener.close()
                raise GatewayError(f"the gateway died {self._successors + 1} times; the last time {why}")
            try:
                self._start(predecessor=why)
            except BaseException:
                self._turn_away()
                raise
            self._successors += 1

    def _turn_away(self) -> None:
        """Close the connections that wait to be accepted: who made them learns that nobody will, for now."""
        self._listener.setblocking(False)
        with contextlib.suppress(OSError):
            while True:
                self._listener.accept()[0].close()

    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def was_joined(self) -> None:
        """A gateway of this invocation was joined: what it put into the ledger, a successor has to find there."""
        self._was_joined = True

    def why_it_ended(self) -> str:
        """Wait until it is gone, and say how it ended and what it wrote last."""
        assert self._process is not None
        if not has_ended(self._process, _END_SECONDS):
            # Whatever it still does, nobody learns of it; its end closes its sockets at least.
            self._process.kill()
        status = self._process.wait()
        lines = read_text(self._log, "replace").splitlines() if file_exists(self._log) else []
        last = f", and wrote: {lines[-1]}" if lines else ""
        return f"it ended with status {status}{last} ({self._log})"

    def retire(self) -> None:
        """The run is over: no successor any more, and nobody is let in."""
        with self._lock:
            self._retired = True
            self._listener.close()
            if self._public_listener is not None:
                self._public_listener.close()
            self._let_go_of_connected()

    def abandon(self) -> None:
        """Nobody could join it, so nothing was dialled: end it, or it would keep the run from the next one."""
        self.retire()
        if self._process is not None and not self._was_joined:
            self._process.kill()
            self.wait()
            _remove_empty(self._log)

    def wait(self) -> None:
        """Wait for its end, but not for ever."""
        if self._process is not None:
            has_ended(self._process, _END_SECONDS)

    def _start(self, predecessor: str | None) -> None:
        try:
            self._log = self._log_file()
        except OSError as error:
            self._let_go_of_connected()
            raise GatewayError(f"the gateway can't be started, for it has no place for a log: {error}") from error
        config = GatewayConfig(
            run_config=self._run_config,
            invocation=self._part.invocation,
            elsewhere=self._part.elsewhere,
            predecessor=predecessor,
            takes_over=self._was_joined,
            host=gethostname(),
            pid=getpid(),
            started=process_started(getpid()),
            temporary_folder=str(self._temporary_folder),
            listener=self._listener.fileno(),
            connected=tuple((each.fileno(), b64encode(came).decode()) for each, came in self._connected),
            log=str(self._log),
            debug=os.environ.get(LOG_VARIABLE) == "debug",
            public_listener=None if self._public_listener is None else self._public_listener.fileno(),
            scripts_folder=str(BROWSER_SCRIPTS.folder),
            worker_tokens=self._worker_tokens,
            app_token=self._run_config.app_token,
            api_key=self._run_config.api_key,
            secret=self.secret,
            ledger_password=self._run_config.ledger_password,
        )
        try:
            with open_file(self._log, "ab") as output:
                process = _Popen(
                    self._interpreter.command("gateway"),
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=[each.fileno() for each in self._inherited()],
                    env=self._interpreter.environment,
                    cwd=existing_folder(),
                    start_new_session=True,
                )
            assert process.stdin is not None
            with process.stdin as pipe:
                pipe.write(config.dump())
        except (OSError, ValueError) as error:
            _remove_empty(self._log)
            raise GatewayError(f"the gateway can't be started: {error}") from error
        finally:
            self._let_go_of_connected()
        self._process = process

    def _inherited(self) -> list[socket.socket]:
        public = [] if self._public_listener is None else [self._public_listener]
        return [self._listener, *public, *(each for each, _ in self._connected)]

    def _let_go_of_connected(self) -> None:
        for each, _ in self._connected:
            each.close()
        self._connected.clear()

    def _log_file(self) -> Path:
        name = f"gateway-{self._run_config.run_id}-{self._part.invocation}{self._part.elsewhere or ''}.log"
        try:
            make_folder(self._run_config.state_dir)
            path = self._run_config.state_dir / name
            open_file(path, "ab").close()
        except OSError:
            make_private_folder(self._temporary_folder)
            path = self._temporary_folder / name
        return path


def _remove_empty(log: Path) -> None:
    with contextlib.suppress(OSError):
        if not read_text(log, "replace"):
            remove_file(log)
