"""This process as a member of the run: joined to its gateway, and to the next one where that dies or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from asyncio.events import get_running_loop
from asyncio.tasks import ensure_future, shield, wait, wait_for
from collections.abc import Awaitable, Callable
from dataclasses import replace
from os import kill
from typing import Any, Protocol, TypeVar

from pytest_dgbudget.control import real_time
from pytest_dgbudget.control.connection import Answers, ConnectionLost, Control, Handlers, connect
from pytest_dgbudget.control.supervisor import Supervisor
from pytest_dgbudget.errors import DgBudgetError, GatewayError
from pytest_dgbudget.processes import process_started
from pytest_dgbudget.protocol.authentication import Peer, Role
from pytest_dgbudget.protocol.emulator_calls import with_call
from pytest_dgbudget.protocol.heartbeat import CONFIRMATIONS, HEARTBEAT_MS, HeartbeatMonitor
from pytest_dgbudget.protocol.notifications import ATTEMPT_NOTIFICATIONS, AttemptNotification, Heartbeat
from pytest_dgbudget.protocol.operations import (
    BeginAttempt,
    CallEmulator,
    EndAttempt,
    EndedAttempt,
    FindRunningTest,
    FoundTest,
    GrantedAttempt,
    HeldGrant,
    Join,
    Operation,
)

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# What was asked of a gateway that died is asked of the next one; it may have died of being asked.
_TRIES = 3
# How soon the end of a gateway is noticed that has not been joined yet.
_POLL_SECONDS = 0.05

A = TypeVar("A")
Told = Callable[[AttemptNotification], None]


class Begin(Protocol):
    """Begins an attempt; ``told`` is called on the I/O thread with what the gateway says of it."""

    def __call__(self, asked: BeginAttempt, told: Told | None = None) -> Awaitable[GrantedAttempt]: ...


class RunsTests(Protocol):
    """What the gateway asks of a process in a run that has process tokens: ``token`` is this one's."""

    @property
    def token(self) -> str: ...

    async def find_running_test(self, begin: Begin) -> FoundTest:
        """Return the attempt of the test that this process is running, begun if need be; called on the I/O thread."""
        ...


class Membership:
    """Lives on the I/O thread. ``supervisor`` replaces a gateway that died; None where the controller does that.

    ``tests`` is None in a run that has no process tokens.
    """

    def __init__(
        self, port: int, secret: str, role: Role, supervisor: Supervisor | None, tests: RunsTests | None
    ) -> None:
        self._port = port
        self._secret = secret
        self._role = role
        self._supervisor = supervisor
        self._tests = tests
        self._held: dict[str, HeldGrant] = {}
        self._told: dict[str, Told] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._staying: asyncio.Task[None] | None = None
        self._heartbeats = HeartbeatMonitor(real_time.milliseconds())
        self.run_id = ""

    async def join(self) -> None:
        """Join for the first time; raises GatewayError or LedgerError."""
        self._joined = ensure_future(self._join())
        await self._joined
        self._staying = ensure_future(self._stay())

    async def ask(self, operation: Operation[A]) -> A:
        """Return the answer of whichever gateway serves the run; raises the error that it names, or GatewayError."""
        tries = 0
        while True:
            control = await self.control()
            try:
                return await control.ask(operation)
            except ConnectionLost:
                tries += 1
                if tries == _TRIES:
                    raise

    async def take_part(self, tests: RunsTests) -> None:
        """Have a process token from now on."""
        self._tests = tests
        await self.ask(self._join_operation())

    def _join_operation(self) -> Join:
        token = None if self._tests is None else self._tests.token
        return Join(held=tuple(self._held.values()), token=token)

    async def _find_running_test(self) -> FoundTest:
        if self._tests is None:
            return FoundTest(attempt=None, several=False)
        return await self._tests.find_running_test(self.begin)

    def send(self, operation: Operation[None]) -> None:
        """Ask something that nobody waits for."""
        sending = ensure_future(self._sent(operation))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def begin(self, asked: BeginAttempt, told: Told | None = None) -> GrantedAttempt:
        """Begin an attempt, and hold its grant; ``told`` is called with what the gateway says of it."""
        granted = await self.ask(asked)
        if told is not None:
            self._told[granted.id] = told
        self._held[granted.id] = HeldGrant(attempt=granted.id, token=granted.token, asked=asked)
        return granted

    async def end(self, asked: EndAttempt) -> EndedAttempt:
        """End an attempt, and let go of its grant."""
        ended = await self.ask(asked)
        del self._held[asked.attempt]
        return ended

    async def call_emulator(self, asked: CallEmulator) -> Any:
        """Call the emulator for an attempt, and keep what the next gateway has to tell its own."""
        answer = await self.ask(asked)
        held = self._held.get(asked.attempt)
        if held is not None:
            self._held[asked.attempt] = replace(held, emulator_calls=with_call(held.emulator_calls, asked))
        return answer

    def _notified(self, notification: AttemptNotification) -> None:
        """Pass it on; the last session of an attempt may close after the attempt's end."""
        if (told := self._told.get(notification.attempt.id)) is not None:
            told(notification)

    def close_in_child(self) -> None:
        """In a forked child: let go of the connection without a word, or it would keep a dead owner alive."""
        if (control := self._last()) is not None:
            control.close_in_child()

    async def close(self) -> None:
        if self._staying is not None:
            self._staying.cancel()
        self._joined.cancel()
        if (control := self._last()) is not None:
            await control.close()

    async def _sent(self, operation: Operation[None]) -> None:
        with contextlib.suppress(DgBudgetError):
            await self.ask(operation)

    async def control(self) -> Control:
        """Return the connection to the gateway, a new one if need be; raises GatewayError or LedgerError."""
        last = self._last()
        if (last is not None and last.gone.is_set()) or self._failed_to_rejoin():
            self._joined = ensure_future(self._rejoin(last))
        return await shield(self._joined)

    def _failed_to_rejoin(self) -> bool:
        """What kept it from the next gateway may have been what a test made of its world: the next use tries again."""
        joined = self._joined
        is_over = self._staying is not None and joined.done() and not joined.cancelled()
        return is_over and isinstance(joined.exception(), GatewayError)

    def _last(self) -> Control | None:
        """Return the connection that was made last, unless one is being made."""
        joined = self._joined
        return joined.result() if joined.done() and not joined.cancelled() and joined.exception() is None else None

    async def _join(self) -> Control:
        """Join the gateway; where it dies before that, the one that takes its place."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(ConnectionLost):
                return await self._noticing_its_end(ensure_future(self._join_this_one()))
            await self._replace()
        return await self._noticing_its_end(ensure_future(self._join_this_one()))

    async def _noticing_its_end(self, joining: asyncio.Future[Control]) -> Control:
        """Wait until the gateway is joined; raises ConnectionLost when it ends first: its port would stay silent."""
        try:
            while not joining.done():
                ended = self._supervisor is not None and self._supervisor.has_ended()
                await wait([joining], timeout=_POLL_SECONDS)
                if ended and not joining.done():
                    raise ConnectionLost(f"the gateway on port {self._port} ended before it was joined")
            return joining.result()
        finally:
            joining.cancel()

    async def _join_this_one(self) -> Control:
        handlers: Handlers = {
            Heartbeat: lambda _: self._heartbeats.heard(),
            **dict.fromkeys(ATTEMPT_NOTIFICATIONS, self._notified),
        }
        answers: Answers = {FindRunningTest: self._find_running_test}
        control = await connect(self._port, self._secret, self._role, handlers, answers)
        try:
            joined = await control.ask(self._join_operation())
        except BaseException:
            await control.close()
            raise
        self.run_id = joined.run_id
        if self._supervisor is not None:
            self._supervisor.was_joined()
        return control

    async def _rejoin(self, lost: Control | None) -> Control:
        """Join the gateway that takes the place of the last one; raises GatewayError or LedgerError."""
        try:
            if lost is not None:
                await lost.close()
            await self._replace()
            control = await self._join()
        except DgBudgetError:
            raise
        except Exception as error:
            raise GatewayError(f"the gateway is gone, and its successor can't be joined: {error!r}") from error
        if self._staying is not None and self._staying.done():
            self._staying = ensure_future(self._stay())
        return control

    async def _replace(self) -> None:
        if self._supervisor is not None:
            await get_running_loop().run_in_executor(None, self._supervisor.replace)

    async def _stay(self) -> None:
        """Watch the gateway, and join the next one as soon as it is gone."""
        with contextlib.suppress(DgBudgetError):
            while True:
                await self._watch(await self.control())

    async def _watch(self, control: Control) -> None:
        """Return when the gateway is gone; kill it when it hangs, which closes its sockets at the vendor."""
        self._heartbeats = HeartbeatMonitor(real_time.milliseconds())
        while not control.gone.is_set():
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await wait_for(control.gone.wait(), HEARTBEAT_MS / 1000)
            if self._heartbeats.is_hung(real_time.milliseconds()) and _is_silent(control):
                _kill(control.gateway)
                await control.close()


def _is_silent(control: Control) -> bool:
    """Have the kernel wait for the gateway: our own clock, and how often we looked, prove nothing."""
    return all(control.is_silent(HEARTBEAT_MS / 1000) for _ in range(CONFIRMATIONS))


def _kill(gateway: Peer) -> None:
    """Kill the process that we mean, not a later one of the same id."""
    if process_started(gateway.pid) == gateway.started:
        with contextlib.suppress(OSError):
            kill(gateway.pid, signal.SIGKILL)
