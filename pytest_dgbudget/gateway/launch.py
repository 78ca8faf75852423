"""Start a gateway: a process of its own that holds nothing of ours but its end of a socket and a pipe."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.folders import make_folder
from pytest_dgbudget.gateway.config import GatewayConfig
from pytest_dgbudget.hello import process_started
from pytest_dgbudget.settings import Settings

# A module of the project under test must not shadow ours or the standard library's.
_PROGRAM = "import sys; sys.path[:] = sys.path[sys.path[0] == '':]; from pytest_dgbudget.gateway import main; main()"

_OURS = ("DEEPGRAM_", "DG_", "DGBUDGET_")
_DROPPED = {"PYTHONWARNINGS", "PYTHONASYNCIODEBUG"}


def listen() -> socket.socket:
    """Bind the port that a gateway will serve, on loopback only."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


@dataclass(slots=True)
class LaunchedGateway:
    """A gateway that we started, and how to speak to it."""

    process: subprocess.Popen[bytes]
    log: Path

    def why_it_ended(self) -> str:
        """Say how the process ended and what it wrote last."""
        try:
            status = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return f"it still runs (pid {self.process.pid}); its log is {self.log}"
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        last = f", and wrote: {lines[-1]}" if lines else ""
        return f"it ended with status {status}{last} ({self.log})"

    def wait(self, timeout: float) -> None:
        """Wait for its end, for so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)


@dataclass(slots=True)
class Launch:
    """Everything needed to start the gateway of one invocation, and another one where the first has died."""

    settings: Settings
    invocation: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    started: bool = False

    def start(self, listener: socket.socket) -> LaunchedGateway:
        """Start it on a listening socket that it inherits; raises GatewayError."""
        log = self._log_file()
        config = GatewayConfig(
            settings=self.settings,
            invocation=self.invocation,
            takes_over=self.started,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=process_started(os.getpid()),
            listener=listener.fileno(),
            log=str(log),
            api_key=self.settings.api_key,
            secret=self.secret,
        )
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=[listener.fileno()],
                    env=clean_environment(),
                    start_new_session=True,
                )
            assert process.stdin is not None
            with process.stdin as pipe:
                pipe.write(config.dump())
        except OSError as error:
            raise GatewayError(f"the gateway can't be started: {error}") from error
        self.started = True
        return LaunchedGateway(process, log)

    def _log_file(self) -> Path:
        name = f"gateway-{self.settings.run_id}-{self.invocation}.log"
        try:
            make_folder(self.settings.ledger.parent)
            path = self.settings.ledger.parent / name
            path.touch()
        except OSError:
            path = Path(tempfile.gettempdir()) / name
        return path


def clean_environment() -> dict[str, str]:
    """Return our environment without what is meant for tests, or would change how a program of ours runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS) and name not in _DROPPED}
