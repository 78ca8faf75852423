"""Control connections: one per process with tests, on the gateway's port. While it holds, the owner lives.

After the HTTP upgrade both sides prove that they know the control secret, which never travels; then JSON lines:
``{"id": n, "op": …, …}`` is answered with ``{"id": n, "ok": …}`` or ``{"id": n, "error": {"kind", "message"}}``;
a message without an id is not answered. Every ``HEARTBEAT_MS`` the gateway sends a ``{"beat": true}``.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from pytest_dgbudget.errors import DgBudgetError, LedgerError, SettingsError
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.gateway.processes import ProcessWatch
from pytest_dgbudget.gateway.run import Owner
from pytest_dgbudget.gateway.unauthenticated import UnauthenticatedConnections
from pytest_dgbudget.protocol.authentication import proof
from pytest_dgbudget.protocol.codes import CONTROL_UPGRADE
from pytest_dgbudget.protocol.heartbeat import HEARTBEAT_MS

_UPGRADED = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {CONTROL_UPGRADE}\r\n\r\n"
_LONGEST_HELLO = 4 * 1024
_LONGEST_LINE = 1024 * 1024
_HELLO_SECONDS = 10

Answer = Callable[[Owner, dict[str, Any]], Awaitable[Any]]


class ControlConnection(asyncio.Protocol):
    """The gateway's end. ``answer`` handles each message of a proven owner, ``lost`` is called once when it is gone."""

    def __init__(
        self, secret: str, unauthenticated: UnauthenticatedConnections, answer: Answer, lost: Callable[[Owner], None]
    ) -> None:
        self._secret = secret
        self._unauthenticated = unauthenticated
        self._answer = answer
        self._lost = lost
        self._challenge = secrets.token_hex(16)
        self._buffer = b""
        self._owner: Owner | None = None
        self._process: ProcessWatch | None = None
        self._answering: asyncio.Task[None] | None = None
        self._lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(_HELLO_SECONDS, transport.abort)
        transport.write(_UPGRADED.encode())
        self._send({"challenge": self._challenge})

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > (_LONGEST_HELLO if self._answering is None else _LONGEST_LINE):
            self._transport.abort()
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        try:
            for line in lines:
                self._received(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()

    def _received(self, message: dict[str, Any]) -> None:
        if self._owner is None and self._answering is None:
            self._hello(message)
        else:
            self._lines.put_nowait(message)

    def _hello(self, message: dict[str, Any]) -> None:
        expected = proof(self._secret, "owner", self._challenge)
        if not hmac.compare_digest(str(message["proof"]), expected):
            self._transport.abort()
            return
        self._timer.cancel()
        self._unauthenticated.leave(self._transport)
        self._owner = Owner(role=message["role"], grants=set())
        self._process = ProcessWatch(message["pid"], message["started"], self._gone)
        self._send({"proof": proof(self._secret, "gateway", message["challenge"])})
        self._answering = asyncio.ensure_future(self._answer_all(self._owner))
        self._beat()

    async def _answer_all(self, owner: Owner) -> None:
        """Answer one after the other: what a process asks, it asks in this order."""
        while (message := await self._lines.get()) is not None:
            try:
                reply: dict[str, Any] = {"ok": await self._answer(owner, message)}
            except DgBudgetError as error:
                reply = {"error": {"kind": _kind(error), "message": str(error)}}
            except Exception as error:
                log(error)
                reply = {"error": {"kind": "GatewayError", "message": f"the gateway failed: {error!r}"}}
            if "id" in message:
                self._send({"id": message["id"], **reply})

    def _beat(self) -> None:
        self._send({"beat": True})
        self._timer = asyncio.get_running_loop().call_later(HEARTBEAT_MS / 1000, self._beat)

    def _send(self, message: dict[str, Any]) -> None:
        self._transport.write(json.dumps(message).encode() + b"\n")

    def _gone(self) -> None:
        self._timer.cancel()
        self._unauthenticated.leave(self._transport)
        if self._process is not None:
            self._process.stop()
        self._transport.abort()
        self._lines.put_nowait(None)
        owner, self._owner = self._owner, None
        if owner is not None:
            self._lost(owner)


def _kind(error: DgBudgetError) -> str:
    """Return the name under which users know an error, which may be a narrower one of ours."""
    known = (each.__name__ for each in (LedgerError, SettingsError) if isinstance(error, each))
    return next(known, "GatewayError")
