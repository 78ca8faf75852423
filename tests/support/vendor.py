"""A server of the tests' own in the vendor's place: it measures by itself how long each socket was open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support.peers import Address
from tests.support.statement import Bill, Entry

KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"


@dataclass
class Seen:
    """One connection as the server saw it; times are ``time.monotonic()`` seconds."""

    request_id: str
    opened_at: float
    headers: dict[str, str]
    path: str
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    settings: dict[str, Any] | None = None
    messages: list[Any] = field(default_factory=list)
    audio_bytes: int = 0
    close_seen_at: float | None = None
    close_code: int | None = None
    closed_at: float | None = None
    process: str | None = None  # the command of what has connected, where the vendor looks for it

    @property
    def seconds(self) -> float:
        assert self.closed_at is not None, "the server still has this connection open"
        return self.closed_at - self.opened_at

    def billed(self, seconds: float | None = None) -> Entry:
        """What the vendor bills for it: the time that its socket was open, or something else."""
        tags = (self.settings or {}).get("tags") or []
        return Entry(self.request_id, self.seconds if seconds is None else seconds, tuple(tags), self.created)


Talk = Callable[[ServerConnection, Seen], Awaitable[None]]


async def converse(connection: ServerConnection, seen: Seen) -> None:
    """Speak as the Voice Agent does: Welcome, SettingsApplied, and a reply to each injected user message."""
    await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
    async for data in connection:
        if isinstance(data, bytes):
            seen.audio_bytes += len(data)
            continue
        message = json.loads(data)
        seen.messages.append(message)
        if message["type"] == "Settings":
            seen.settings = message
            await connection.send('{"type":"SettingsApplied"}')
        elif message["type"] == "InjectUserMessage":
            await _reply(connection, message["content"])


async def _reply(connection: ServerConnection, text: str) -> None:
    await connection.send(json.dumps({"type": "ConversationText", "role": "user", "content": text}))
    await connection.send(json.dumps({"type": "ConversationText", "role": "assistant", "content": f"about {text}"}))
    await connection.send(b"\0" * 4800)
    await connection.send('{"type":"AgentAudioDone"}')


class Vendor:
    """Runs on a thread; ``talk`` is what it does with a connection, ``refuse`` an answer instead of the 101.

    ``bill`` is its management API, on a port of its own; ``asked`` is called with each request, before its answer.
    """

    def __init__(
        self,
        talk: Talk = converse,
        refuse: tuple[int, dict[str, str], bytes] | None = None,
        tls: ssl.SSLContext | None = None,
        asked: Callable[[], None] = lambda: None,
        process_of: Callable[[Address, Address], str | None] = lambda peer, server: None,
    ) -> None:
        self.connections: list[Seen] = []
        self.bill = Bill(KEY, self.billed)
        self._talk = talk
        self._refuse = refuse
        self._tls = tls
        self._asked = asked
        self._process_of = process_of
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="vendor", daemon=True)

    def __enter__(self) -> Vendor:
        self._thread.start()
        assert self._ready.wait(10)
        self.bill.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.bill.__exit__()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def environ(self) -> dict[str, str]:
        """What makes a pytest under test dial this server as if it were the vendor."""
        return {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": self.url, "DG_API_URL": self.bill.url}

    def billed(self) -> list[Entry]:
        """What the bill has by now: every session that has ended."""
        return [seen.billed() for seen in list(self.connections) if seen.closed_at is not None]

    @property
    def url(self) -> str:
        scheme, host = ("wss", "localhost") if self._tls else ("ws", "127.0.0.1")
        return f"{scheme}://{host}:{self._port}/v1/agent/converse"

    def wait_closed(self, count: int, timeout: float = 30) -> list[Seen]:
        """Wait until ``count`` connections have come and all are closed; return them."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if len(self.connections) >= count and all(seen.closed_at is not None for seen in self.connections):
                return self.connections
            time.sleep(0.005)
        raise AssertionError(f"after {timeout} s the server has {self.connections}")

    def wait_open(self, count: int, timeout: float = 40) -> list[Seen]:
        """Wait until ``count`` connections have got their Settings."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if sum(seen.settings is not None for seen in self.connections) >= count:
                return self.connections
            time.sleep(0.005)
        raise AssertionError(f"after {timeout} s the server has {self.connections}")

    @property
    def total_seconds(self) -> float:
        return sum(seen.seconds for seen in self.connections)

    def saw(self, usage: Any, *, within: float) -> bool:
        """Return whether a run used what was seen here, where a session is seen from its 101 on, not from its dial."""
        handshakes: float = sum(session["handshake_seconds"] or 0 for session in usage["sessions"])
        beyond: float = usage["run"]["used_seconds"] - self.total_seconds
        return -within <= beyond <= handshakes + within

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        async with serve(
            self._handle,
            "127.0.0.1",
            0,
            ssl=self._tls,
            process_request=self._process_request,
            compression=None,
            ping_interval=None,
            max_size=None,
            close_timeout=1,
        ) as server:
            self._port = _port(server)
            self._ready.set()
            await self._stop.wait()

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        self._asked()
        if self._refuse is None:
            return None
        status, headers, body = self._refuse
        all_headers = Headers({**headers, "Content-Length": str(len(body)), "Connection": "close"})
        return Response(status, "Refused", all_headers, body)

    async def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        seen = Seen(
            request_id=str(uuid4()),
            opened_at=time.monotonic(),
            headers={name.lower(): value for name, value in connection.request.headers.raw_items()},
            path=connection.request.path,
            process=self._process_of(connection.remote_address, connection.local_address),
        )
        self.connections.append(seen)
        with contextlib.suppress(ConnectionClosed):
            await self._talk(connection, seen)
        seen.close_seen_at = time.monotonic()
        await connection.wait_closed()
        seen.closed_at = time.monotonic()
        seen.close_code = connection.close_code


def _port(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port
