"""This process's gateway to the run's gateway: the line, and the membership that lives on it."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pytest_dgbudget.control.io_thread import IOThread
from pytest_dgbudget.control.membership import Membership
from pytest_dgbudget.errors import GatewayError

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# The gateway answers within milliseconds, ends a test within 1.5 s, and is replaced within a few when it hangs.
_ANSWER_SECONDS = 30

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedAttempt:
    """What the gateway granted: the attempt's id, its number, what is left of its budget, and its token."""

    attempt: str
    number: int
    budget_seconds: float | None
    token: str = field(repr=False)


class GatewayClient:
    """Blocking calls for pytest's hooks; ``membership`` and ``line`` for those who live on the line."""

    def __init__(self, port: int, secret: str, role: str, replace: Callable[[], None] | None = None) -> None:
        """Connect and join the run; raises GatewayError or LedgerError."""
        self.port = port
        self.io_thread = IOThread()
        self.membership = Membership(port, secret, role, replace)
        try:
            self.io_thread.run(self.membership.join())
        except BaseException:
            self.io_thread.stop()
            raise
        _CLIENTS.add(self)

    def ask(self, op: str, **fields: Any) -> Any:
        """Ask the gateway and wait; raises what it names, or GatewayError."""
        return self._answer(op, self.membership.ask(op, **fields))

    def tell(self, op: str, **fields: Any) -> None:
        self.io_thread.loop.call_soon_threadsafe(lambda: self.membership.tell(op, **fields))

    def grant(
        self, nodeid: str, worker: str, budget_ms: int | None, idle_ms: int | None, scenario: str | None = None
    ) -> GrantedAttempt:
        """Begin an attempt of a test."""
        asked = self.membership.grant(
            nodeid=nodeid, worker=worker, budget_ms=budget_ms, idle_ms=idle_ms, scenario=scenario
        )
        return GrantedAttempt(**self._answer("grant", asked))

    def end(self, attempt: str) -> dict[str, Any]:
        """Close everything of an attempt, and return its final figures."""
        return self._answer("end", self.membership.end(attempt))

    def close(self) -> None:
        """Let go of the gateway, which closes whatever this process had open; again is fine."""
        if self not in _CLIENTS:
            return
        _CLIENTS.discard(self)
        with contextlib.suppress(TimeoutError):
            self.io_thread.run(self.membership.close(), 2)
        self.io_thread.stop()

    def _answer(self, op: str, asked: Coroutine[Any, Any, T]) -> T:
        try:
            return self.io_thread.run(asked, _ANSWER_SECONDS)
        except TimeoutError as error:
            raise GatewayError(f"the gateway did not answer {op!r} within {_ANSWER_SECONDS} s") from error


_CLIENTS: weakref.WeakSet[GatewayClient] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for gateway in list(_CLIENTS):
        gateway.membership.close_in_child()
    _CLIENTS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
