"""A server on a thread that notes when it saw each of its sessions dialled, and closed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


@dataclass(slots=True)
class Session:
    """`time.monotonic()` seconds, which all processes of a machine share.

    `due` is when it is to be closed, where its client says so in a message after its Settings.
    """

    dialled_at: float
    due: float | None = None
    closed: threading.Event = field(default_factory=threading.Event)
    closed_at: float = 0.0


class Dialled(ServerConnection):
    """One that knows since when there is a connection: a handshake later than that is spent already."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.dialled_at = time.monotonic()
        super().connection_made(transport)


class Recorder:
    """`url` is where it listens."""

    def __init__(self) -> None:
        self.url = ""
        self.sessions: list[Session] = []
        self._arrived = threading.Condition()

    def session(self, number: int, timeout: float = 30) -> Session:
        """Wait until so many sessions have come, and return that one."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.sessions) > number, timeout):
                raise RuntimeError(f"session {number} did not come within {timeout:g} s")
        return self.sessions[number]

    async def _serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Dialled)
        session = Session(connection.dialled_at)
        await connection.send('{"type":"Welcome","request_id":"recorded"}')
        with contextlib.suppress(ConnectionClosed):
            await connection.recv()
            await connection.send('{"type":"SettingsApplied"}')
            with self._arrived:
                self.sessions.append(session)
                self._arrived.notify_all()
            async for message in connection:
                session.due = float(message)
            await connection.wait_closed()
        session.closed_at = time.monotonic()
        session.closed.set()


@contextmanager
def recorder() -> Iterator[Recorder]:
    """Serve until the block ends."""
    recorder, ready = Recorder(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with serve(
            recorder._serve, "127.0.0.1", 0, create_connection=Dialled, compression=None, ping_interval=None
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            recorder.url = f"ws://127.0.0.1:{port}/v1/agent/converse"
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield recorder
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
