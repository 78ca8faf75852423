"""Clients that connect again right after the end of a test closed their session: the next test is told."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pytest_dgbudget.gateway.clock import now_ms

# How soon a client is back that connects again by itself.
_SOON_MS = 5_000
_ESTABLISHED = "01"  # include/net/tcp_states.h


@dataclass(frozen=True, slots=True)
class SessionClient:
    """Who opened a session: its User-Agent, and its process where that can be told."""

    user_agent: str
    process: asyncio.Future[int | None] = field(compare=False, repr=False)

    def is_same_as(self, other: SessionClient) -> bool:
        mine, others = _result(self.process), _result(other.process)
        if mine is not None and others is not None:
            return mine == others
        return self.user_agent == other.user_agent


def client_of(user_agent: str, peer_port: int) -> SessionClient:
    """Return who is at the other end of a connection; its process is looked for on a thread."""
    looking = asyncio.ensure_future(asyncio.to_thread(process_of_peer, peer_port))
    return SessionClient(user_agent, looking)


class ReturningClients:
    """Remembers whose sessions the ends of tests have closed lately."""

    def __init__(self) -> None:
        self._closed: deque[tuple[int, str, SessionClient]] = deque(maxlen=100)

    def closed(self, nodeid: str, client: SessionClient) -> None:
        """Note that the end of a test closed a client's session."""
        self._closed.append((now_ms(), nodeid, client))

    def earlier_test(self, nodeid: str, client: SessionClient) -> str | None:
        """Return the other test whose end closed a session of this client a moment ago."""
        since_ms = now_ms() - _SOON_MS
        for at_ms, earlier, other in reversed(self._closed):
            if at_ms >= since_ms and earlier != nodeid and client.is_same_as(other):
                return earlier
        return None


def came_back(earlier: str) -> str:
    """Say which test's session a client comes from."""
    return (
        f"a client whose session the end of {earlier} closed opened another one in this test: does it connect again by "
        "itself? This test is charged for it; have the application end its session in the test"
    )


def process_of_peer(port: int) -> int | None:
    """Return the process that connected from a local port; None on other systems, or for another user's."""
    socket = _socket_at(port)
    return None if socket is None else next(filter(lambda pid: _holds(pid, socket), _newest_processes()), None)


def _socket_at(port: int) -> str | None:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == _ESTABLISHED and int(columns[1].rpartition(":")[2], 16) == port:
                    return f"socket:[{columns[9]}]"
    return None


def _newest_processes() -> list[int]:
    """Applications under test are younger than most of what runs."""
    return sorted((int(path.name) for path in Path("/proc").glob("[0-9]*")), reverse=True)


def _holds(pid: int, socket: str) -> bool:
    with suppress(OSError):
        return any(_link(path) == socket for path in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _link(path: Path) -> str:
    with suppress(OSError):
        return str(path.readlink())
    return ""


def _result(process: asyncio.Future[int | None]) -> int | None:
    return process.result() if process.done() and not process.cancelled() and process.exception() is None else None
