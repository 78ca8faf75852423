"""A gateway without a pytest around it, and peers of its port that say whatever a test wants."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.control.listening import listen_on_loopback
from pytest_dgbudget.control.part import Part
from pytest_dgbudget.control.run import RunHandle, start_gateway_of
from pytest_dgbudget.control.supervisor import Supervisor
from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.model import OtherTarget
from pytest_dgbudget.processes import Interpreter
from pytest_dgbudget.protocol.notifications import Notification
from pytest_dgbudget.protocol.operations import BeginAttempt, GrantedAttempt, Operation
from pytest_dgbudget.recording.lines import LINES_FILE
from tests.support.processes import children_of, is_running
from tests.support.vendor import KEY

_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2l4dGVlbiBieXRlcyEhIQ==\r\n{more}\r\n"
)
MINUTE_MS = 60_000


def with_changes(run_config: RunConfig, **changes: Any) -> RunConfig:
    """Return the same settings but for these."""
    return RunConfig(**{**vars(run_config), **changes})


async def ask_nobody(operation: Operation[Any]) -> Any:
    """What an owner answers that has no process token."""
    raise GatewayError(f"nobody is there to be asked {operation}")


def say_nothing(notification: Notification) -> None:
    """What is said to an owner that nobody listens to."""


def asked(
    nodeid: str = "test_it.py::test_it",
    *,
    target: OtherTarget | None = None,
    budget_ms: int | None = None,
    scenario: str | None = None,
) -> BeginAttempt:
    """What an owner asks for a test."""
    return BeginAttempt(
        nodeid=nodeid, worker="", target=target, budget_ms=budget_ms, idle_ms=None, scenario=scenario, pace="vendor"
    )


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that runs, the handle on its run, and what only they know."""

    run: RunHandle
    pid: int
    secret: str
    folder: Path

    @property
    def port(self) -> int:
        return self.run.gateway.port

    def grant(self, budget_ms: int = MINUTE_MS) -> GrantedAttempt:
        """Begin a test of its own."""
        return self.run.gateway.begin(asked(f"test_it.py::test_{uuid4()}", budget_ms=budget_ms))

    def head(
        self,
        *,
        host: str = "127.0.0.1:{port}",
        path: str = "/v1/agent/converse",
        upgrade: str = "websocket",
        more: str = "",
    ) -> bytes:
        """Return a request for an upgrade; ``more`` are further header lines."""
        host = host.format(port=self.port)
        return _UPGRADE.format(path=path, host=host, upgrade=upgrade, more=more).encode("latin-1")

    def control_head(self) -> bytes:
        return self.head(path="/control", upgrade="dgbudget-control")

    def peer(self, timeout: float = 15) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(self, request: bytes) -> bytes:
        """Send bytes and return what comes back until the gateway closes, or a 101."""
        answer = b""
        with self.peer() as peer, suppress(ConnectionError):
            peer.sendall(request)
            while data := peer.recv(65536):
                answer += data
                if status_of(answer) == 101:
                    break
        return answer

    def session(self, token: str, **headers: str) -> ClientConnection:
        """Open a session as an ordinary client does."""
        return connect(
            f"ws://127.0.0.1:{self.port}/v1/agent/converse",
            additional_headers={"Authorization": f"Token {token}", **headers},
            proxy=None,
            compression=None,
            max_size=None,
            ping_interval=None,
        )

    def serves(self) -> None:
        """Who has the secret is granted a token, and who has a token has a session."""
        with self.session(self.grant().token) as session:
            assert "Welcome" in str(session.recv(10))

    def log(self) -> str:
        return "".join(log.read_text(encoding="utf-8") for log in self.folder.glob(".dgbudget/gateway-*.log"))

    def files(self) -> int:
        """Count what it holds open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def recordings(self) -> int:
        """Count the sessions whose recording it holds open."""
        opened = Path(f"/proc/{self.pid}/fd").iterdir()
        return sum(_points_at(each, LINES_FILE) for each in opened)

    def resident_kib(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def _points_at(descriptor: Path, name: str) -> bool:
    with suppress(FileNotFoundError):  # closed meanwhile
        return descriptor.readlink().name == name
    return False


@contextmanager
def opened(url: str, folder: Path, *, part: Part | None = None, **changes: Any) -> Iterator[RunningGateway]:
    """Start a gateway that dials ``url``, with these changes of its settings, and see it end."""
    supervisor = Supervisor(
        with_changes(run_config_for(url, folder), **changes),
        listen_on_loopback(),
        Interpreter.of_this_process(),
        part=part,
    )
    before = set(children_of(os.getpid()))
    run = start_gateway_of(supervisor, None)
    (pid,) = set(children_of(os.getpid())) - before
    try:
        yield RunningGateway(run, pid, supervisor.secret, folder)
    finally:
        run.close()
    assert not is_running(pid)


def run_config_for(url: str, folder: Path, **given: str) -> RunConfig:
    """Return the settings of a live run: much may be spent, and many sessions open at once.

    Nobody asks for the project's balance.
    """
    defaults = {"dg_target": "live", "dg_agent_url": url, "dg_budget": "10h", "dg_max_sessions": "99"}
    return resolve(
        command_line={**defaults, "dg_reconcile": "off", **given},
        environment={"DEEPGRAM_API_KEY": KEY},
        ini={"dg_credit": "off"},
        rootdir=folder,
        current_dir=folder,
    )


def status_of(answer: bytes) -> int:
    """Return the status of an HTTP answer; 0 when it is none."""
    _, _, rest = answer.partition(b"HTTP/1.1 ")
    return int(rest[:3] or 0)


class Received(NamedTuple):
    """A frame."""

    opcode: int
    data: bytes
    final: bool


class RawClient:
    """A WebSocket client that sends any bytes, and reads only when it is told to, apart from the Welcome.

    ``early`` is sent with the request, ``more`` are further header lines of it.
    """

    def __init__(self, gateway: RunningGateway, token: str, *, more: str = "", early: bytes = b"") -> None:
        self.socket = gateway.peer()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self.socket.makefile("rb")
        self.socket.sendall(gateway.head(more=f"Authorization: Token {token}\r\n{more}") + early)
        assert status_of(self._stream.readline()) == 101
        while self._stream.readline().strip():
            pass
        self.request_id: str = json.loads(self.receive().data)["request_id"]

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, opcode: int, payload: bytes, *, final: bool = True) -> None:
        self.socket.sendall(wire(opcode, payload, final=final))

    def receive(self) -> Received:
        """Return the next frame; raises EOFError or ConnectionError when none comes."""
        parsing = Frame.parse(self._exactly, mask=False)
        try:
            next(parsing)
        except StopIteration as whole:
            frame: Frame = whole.value
        return Received(frame.opcode, bytes(frame.data), frame.fin)

    def read(self, size: int) -> bytes:
        """Return so many bytes as they are; fewer at the end."""
        return self._stream.read(size)

    def rest(self) -> bytes:
        """Return all that comes until the connection ends."""
        came = b""
        with suppress(ConnectionError):
            while data := self._stream.read1():
                came += data
        return came

    def reset(self) -> None:
        """Go without a word, as a client that is killed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._stream.close()
        self.socket.close()

    def _exactly(self, size: int) -> Generator[None, None, bytes]:
        """The library reads by generators; here nothing is ever awaited."""
        data = self.read(size)
        if len(data) < size:
            raise EOFError
        return data
        yield


def wire(opcode: int, payload: bytes, *, final: bool = True, mask: bool = True) -> bytes:
    """Return a frame: a client's, unless it is not masked."""
    return Frame(Opcode(opcode), payload, final).serialize(mask=mask)
