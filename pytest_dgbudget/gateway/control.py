"""The gateway's end of a control connection: one per process with tests. While it holds, its owner lives."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pytest_dgbudget.errors import DgBudgetError, GatewayError
from pytest_dgbudget.gateway.bearers import Owner
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.gateway.process_watch import ProcessWatch
from pytest_dgbudget.gateway.unauthenticated import UnauthenticatedConnections
from pytest_dgbudget.processes import process_started
from pytest_dgbudget.protocol.authentication import GatewayAuthentication, Peer
from pytest_dgbudget.protocol.codes import CONTROL_UPGRADE
from pytest_dgbudget.protocol.control import (
    Answered,
    Asked,
    Authenticated,
    ControlEvent,
    ControlProtocol,
    Failed,
    ProtocolViolation,
)
from pytest_dgbudget.protocol.heartbeat import HEARTBEAT_MS
from pytest_dgbudget.protocol.notifications import Heartbeat, Notification
from pytest_dgbudget.protocol.operations import Operation

_UPGRADED = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {CONTROL_UPGRADE}\r\n\r\n"
_LONGEST_LINE = 16 * 1024 * 1024  # a grant that is held has what its test has set at the emulator
_AUTHENTICATION_SECONDS = 10

A = TypeVar("A")
Answer = Callable[[Owner, Operation[Any]], Awaitable[Any]]


class ControlConnection(asyncio.Protocol):
    """``answer`` handles each operation of an authenticated owner; ``lost`` is called once, when that is gone."""

    def __init__(
        self, secret: str, unauthenticated: UnauthenticatedConnections, answer: Answer, lost: Callable[[Owner], None]
    ) -> None:
        us = Peer(role="gateway", pid=os.getpid(), started=process_started(os.getpid()))
        authentication = GatewayAuthentication(secret, secrets.token_hex(16), us)
        self._protocol = ControlProtocol(authentication, longest_line=_LONGEST_LINE)
        self._unauthenticated = unauthenticated
        self._answer = answer
        self._lost = lost
        self._owner: Owner | None = None
        self._process: ProcessWatch | None = None
        self._answering: asyncio.Task[None] | None = None
        self._asked: asyncio.Queue[Asked | None] = asyncio.Queue()
        self._answers: dict[int, asyncio.Future[Any]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(_AUTHENTICATION_SECONDS, transport.abort)
        transport.write(_UPGRADED.encode())
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._protocol.receive(data):
                self._received(event)
        except ProtocolViolation:
            self._transport.abort()
        else:
            self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()

    def notify(self, notification: Notification) -> None:
        """Say something that the owner does not answer."""
        self._protocol.notify(notification)
        self._flush()

    async def ask(self, operation: Operation[A]) -> A:
        """Return the owner's answer; raises GatewayError where it fails, or is gone."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._answers[self._protocol.ask(operation)] = answer
        self._flush()
        return await answer

    def _received(self, event: ControlEvent) -> None:
        if isinstance(event, Authenticated):
            self._authenticated(event.peer)
        elif isinstance(event, Asked):
            self._asked.put_nowait(event)
        elif isinstance(event, (Answered, Failed)):
            self._answered(event)

    def _answered(self, event: Answered | Failed) -> None:
        answer = self._answers.pop(event.id)
        if answer.done():
            return
        if isinstance(event, Failed):
            answer.set_exception(event.error)
        else:
            answer.set_result(event.answer)

    def _authenticated(self, peer: Peer) -> None:
        self._timer.cancel()
        self._unauthenticated.leave(self._transport)
        self._owner = Owner(role=peer.role, ask=self.ask, notify=self.notify)
        self._process = ProcessWatch(peer.pid, peer.started, self._gone)
        self._answering = asyncio.ensure_future(self._answer_all(self._owner))
        self._send_heartbeats()

    async def _answer_all(self, owner: Owner) -> None:
        """Answer one after the other: what a process asks, it asks in this order."""
        while (asked := await self._asked.get()) is not None:
            try:
                self._protocol.answer(asked.id, await self._answer(owner, asked.operation))
            except DgBudgetError as error:
                self._protocol.fail(asked.id, error)
            except Exception as error:
                log(error)
                self._protocol.fail(asked.id, GatewayError(f"the gateway failed: {error!r}"))
            self._flush()

    def _send_heartbeats(self) -> None:
        self.notify(Heartbeat())
        self._timer = asyncio.get_running_loop().call_later(HEARTBEAT_MS / 1000, self._send_heartbeats)

    def _flush(self) -> None:
        self._transport.write(self._protocol.to_send())

    def _gone(self) -> None:
        self._timer.cancel()
        self._unauthenticated.leave(self._transport)
        if self._process is not None:
            self._process.stop()
        self._transport.abort()
        self._asked.put_nowait(None)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(GatewayError("the process with the test is gone"))
        owner, self._owner = self._owner, None
        if owner is not None:
            self._lost(owner)
