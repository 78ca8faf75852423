"""This process as a member of the run: joined to its gateway, and to the next one where that dies or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from pytest_dgbudget.control.connection import ConnectionLost, Control, connect
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.processes import process_started
from pytest_dgbudget.protocol.heartbeat import HEARTBEAT_MS, Heartbeat

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# What was asked of a gateway that died is asked of the next one; it may have died of being asked.
_TRIES = 3


class Membership:
    """Lives on the line. ``replace`` starts another gateway on the same port; None where the controller does that."""

    def __init__(self, port: int, secret: str, role: str, replace: Callable[[], None] | None) -> None:
        self._port = port
        self._secret = secret
        self._role = role
        self._replace = replace
        # What the next gateway is told of the grants that this process holds.
        self._held: dict[str, dict[str, Any]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._staying: asyncio.Task[None] | None = None
        self.run_id = ""

    async def join(self) -> None:
        """Join for the first time; raises GatewayError or LedgerError."""
        self._joined = asyncio.ensure_future(self._join())
        await self._joined
        self._staying = asyncio.ensure_future(self._stay())

    async def ask(self, op: str, **fields: Any) -> Any:
        """Return the answer of whichever gateway serves the run; raises what it names, or GatewayError."""
        tries = 0
        while True:
            control = await self._control()
            try:
                return await control.ask(op, **fields)
            except ConnectionLost:
                tries += 1
                if tries == _TRIES:
                    raise

    def tell(self, op: str, **fields: Any) -> None:
        """Say something whose answer nobody waits for."""
        telling = asyncio.ensure_future(self._told(op, fields))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def grant(self, **fields: Any) -> dict[str, Any]:
        """Ask for a grant, and hold it."""
        granted: dict[str, Any] = await self.ask("grant", **fields)
        kept = {name: fields[name] for name in ("idle_ms", "scenario")}
        held = {"attempt": granted["attempt"], "token": granted["token"], **kept}
        self._held[granted["attempt"]] = held
        return granted

    async def end(self, attempt: str) -> dict[str, Any]:
        """Give a grant back; returns its final figures."""
        ended: dict[str, Any] = await self.ask("end", attempt=attempt)
        del self._held[attempt]
        return ended

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

    async def _told(self, op: str, fields: dict[str, Any]) -> None:
        with contextlib.suppress(DgBudgetError):
            await self.ask(op, **fields)

    async def _control(self) -> Control:
        """Return the connection to the gateway, a new one if need be; raises GatewayError or LedgerError."""
        last = self._last()
        if last is not None and last.gone.is_set():
            self._joined = asyncio.ensure_future(self._rejoin(last))
        return await asyncio.shield(self._joined)

    def _last(self) -> Control | None:
        """Return the connection that was made last, unless one is being made."""
        joined = self._joined
        return joined.result() if joined.done() and not joined.cancelled() and joined.exception() is None else None

    async def _join(self) -> Control:
        control = await connect(self._port, self._secret, self._role)
        try:
            answer = await control.ask("join", held=list(self._held.values()))
        except BaseException:
            await control.close()
            raise
        self.run_id = answer["run_id"]
        control.gateway = answer["pid"], answer["started"]
        return control

    async def _rejoin(self, lost: Control) -> Control:
        await lost.close()
        if self._replace is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._replace)
        return await self._join()

    async def _stay(self) -> None:
        """Watch the gateway, and join the next one as soon as it is gone."""
        with contextlib.suppress(DgBudgetError):
            while True:
                await _watch(await self._control())


async def _watch(control: Control) -> None:
    """Return when the gateway is gone; kill it when it hangs, which closes its sockets at the vendor."""
    beats = Heartbeat(_now_ms())
    while not control.gone.is_set():
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(control.gone.wait(), HEARTBEAT_MS / 1000)
        if control.take_beat():
            beats.heard()
        if beats.is_hung(_now_ms()):
            _kill(*control.gateway)
            await control.close()


def _kill(pid: int, started: str | None) -> None:
    """Kill the process that we mean, not a later one of the same id."""
    if process_started(pid) == started:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
