"""This process's link to the run's gateway: the line, and the control connection on it."""

from __future__ import annotations

import contextlib
import os
import weakref
from dataclasses import dataclass, field
from typing import Any

from pytest_dgbudget.agent.control import Control, connect
from pytest_dgbudget.agent.line import Line
from pytest_dgbudget.errors import GatewayError

# The gateway answers within milliseconds, and ends a test within 1.5 s.
_ANSWER_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedAttempt:
    """What the gateway granted: the attempt's id, its number, what is left of its budget, and its token."""

    attempt: str
    number: int
    budget_seconds: float | None
    token: str = field(repr=False)


class Link:
    """Blocking calls for pytest's hooks; ``control`` and ``line`` for those who live on the line."""

    def __init__(self, port: int, secret: str, role: str) -> None:
        """Connect and join the run; raises GatewayError or LedgerError."""
        self.port = port
        self.line = Line()
        try:
            self.control, self.run_id = self.line.run(_join(port, secret, role))
        except BaseException:
            self.line.stop()
            raise
        _LINKS.add(self)

    def ask(self, op: str, **fields: Any) -> Any:
        """Ask the gateway and wait; raises what it names, or GatewayError."""
        try:
            return self.line.run(self.control.ask(op, **fields), _ANSWER_SECONDS)
        except TimeoutError as error:
            raise GatewayError(f"the gateway did not answer {op!r} within {_ANSWER_SECONDS} s") from error

    def tell(self, op: str, **fields: Any) -> None:
        self.line.loop.call_soon_threadsafe(lambda: self.control.tell(op, **fields))

    def grant(self, nodeid: str, worker: str, budget_ms: int | None, idle_ms: int | None) -> GrantedAttempt:
        """Begin an attempt of a test."""
        return GrantedAttempt(**self.ask("grant", nodeid=nodeid, worker=worker, budget_ms=budget_ms, idle_ms=idle_ms))

    def close(self) -> None:
        """Let go of the gateway, which closes whatever this process had open; again is fine."""
        if self not in _LINKS:
            return
        _LINKS.discard(self)
        with contextlib.suppress(TimeoutError):
            self.line.run(self.control.close(), 2)
        self.line.stop()


async def _join(port: int, secret: str, role: str) -> tuple[Control, str]:
    control = await connect(port, secret, role)
    try:
        return control, (await control.ask("join"))["run_id"]
    except BaseException:
        await control.close()
        raise


_LINKS: weakref.WeakSet[Link] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for link in list(_LINKS):
        link.control.close_in_child()
    _LINKS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
