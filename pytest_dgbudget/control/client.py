"""This process's client of the run's gateway: the I/O thread, and the membership that lives on it."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

from pytest_dgbudget.control.io_thread import IOThread
from pytest_dgbudget.control.membership import Membership, RunsTests, Told
from pytest_dgbudget.control.supervisor import Supervisor
from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.protocol.authentication import Role
from pytest_dgbudget.protocol.operations import (
    BeginAttempt,
    CallEmulator,
    EndAttempt,
    EndedAttempt,
    GrantedAttempt,
    Operation,
)

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# The gateway answers within milliseconds, ends a test within 1.5 s, and is replaced within a few when it hangs.
_ANSWER_SECONDS = 30

A = TypeVar("A")


class GatewayClient:
    """Blocking calls for pytest's hooks; ``membership`` is for what lives on ``io_thread``."""

    def __init__(
        self, port: int, secret: str, role: Role, supervisor: Supervisor | None, tests: RunsTests | None
    ) -> None:
        """Connect and join the run; raises GatewayError or LedgerError."""
        self.port = port
        self.secret = secret
        self.io_thread = IOThread()
        self.membership = Membership(port, secret, role, supervisor, tests)
        try:
            self.io_thread.run(self.membership.join())
        except BaseException:
            self.io_thread.stop()
            raise
        _CLIENTS.add(self)

    def ask(self, operation: Operation[A]) -> A:
        """Ask the gateway and wait for the answer; raises the error that it names, or GatewayError."""
        return self._wait_for(self.membership.ask(operation))

    def send(self, operation: Operation[None]) -> None:
        """Ask something that nobody waits for; from any thread."""
        self.io_thread.loop.call_soon_threadsafe(self.membership.send, operation)

    def begin(self, asked: BeginAttempt, told: Told | None = None) -> GrantedAttempt:
        """Begin an attempt of a test; ``told`` is called on the I/O thread with what the gateway says of it."""
        return self._wait_for(self.membership.begin(asked, told))

    def take_part(self, tests: RunsTests) -> None:
        """Have a process token from now on, and answer for it which test is running."""
        self._wait_for(self.membership.take_part(tests))

    def end(self, attempt: str, *, expects_clients: bool = False) -> EndedAttempt:
        """Close everything of an attempt, and return its final figures."""
        return self._wait_for(self.membership.end(EndAttempt(attempt=attempt, expects_clients=expects_clients)))

    def call_emulator(self, asked: CallEmulator) -> Any:
        """Call the emulator's own API for an attempt."""
        return self._wait_for(self.membership.call_emulator(asked))

    def close(self) -> None:
        """Let go of the gateway, which closes whatever this process had open; closing twice is harmless."""
        if self not in _CLIENTS:
            return
        _CLIENTS.discard(self)
        with contextlib.suppress(TimeoutError):
            self.io_thread.run(self.membership.close(), 2)
        self.io_thread.stop()

    def _wait_for(self, answer: Coroutine[Any, Any, A]) -> A:
        try:
            return self.io_thread.run(answer, _ANSWER_SECONDS)
        except TimeoutError as error:
            raise GatewayError(f"the gateway did not answer within {_ANSWER_SECONDS} s") from error


_CLIENTS: weakref.WeakSet[GatewayClient] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for gateway in list(_CLIENTS):
        gateway.membership.close_in_child()
    _CLIENTS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
