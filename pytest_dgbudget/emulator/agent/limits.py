"""How long a session may last, and how long its client may be silent.

Facts: the vendor's page "Errors & Warnings" and its changelog of 2026-07-31: 2 h, with a warning at 1 h 55 min; no
message extends this. The silence after which a session ends is not documented: 12.3 s were measured (E6), and its words
are those of people who met it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import NoReturn

from pytest_dgbudget.emulator.behavior import Limits
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.session_clock import SessionClock

Warn = Callable[[str, str], Awaitable[None]]


_WAITED = "We waited too long for a websocket message. Please ensure that you"
_BEFORE_SETTINGS = f"{_WAITED} send a 'Settings' message at the beginning of the session."
_AFTER_SETTINGS = f"{_WAITED}'re sending binary messages containing user speech."


class SessionTimer:
    """Enforces the limits of one session. Its age is that of the session's clock; the client's silence is real."""

    def __init__(self, limits: Limits, clock: SessionClock, warn: Warn) -> None:
        self.configured = False  # whether Settings have come
        self._limits = limits
        self._clock = clock
        self._warn = warn
        self._loop = asyncio.get_running_loop()
        self._last_heard = self._loop.time()
        self._moments: asyncio.Queue[float] = asyncio.Queue()

    def heard(self) -> None:
        """Note that the client has sent a message of any kind."""
        self._last_heard = self._loop.time()

    async def run(self) -> NoReturn:
        """Warn when the end is near and raise ProtocolError at a limit. The session begins now."""
        began = self._clock.seconds()
        self.heard()
        self._clock.end = self._moment(began, self._limits.length)
        cancels = [self._at(began, age) for age in (self._limits.warning, self._limits.length)]
        try:
            while True:
                left = self._limits.silence - (self._loop.time() - self._last_heard)
                if left <= 0:
                    raise ProtocolError(
                        "CLIENT_MESSAGE_TIMEOUT", _AFTER_SETTINGS if self.configured else _BEFORE_SETTINGS
                    )
                with contextlib.suppress(asyncio.TimeoutError):
                    await self._come_to(await asyncio.wait_for(self._moments.get(), left))
        finally:
            for cancel in cancels:
                cancel()

    def _at(self, began: float, age: float) -> Callable[[], None]:
        return self._clock.at(self._moment(began, age), lambda: self._moments.put_nowait(age))

    def _moment(self, began: float, age: float) -> float:
        return began + age / self._limits.speed

    async def _come_to(self, age: float) -> None:
        if age >= self._limits.length:
            text = f"The session is {age:g} s old, which is the longest; open a new one."
            raise ProtocolError("MAXIMUM_SESSION_LENGTH_REACHED", text)
        await self._warn_of_end()

    async def _warn_of_end(self) -> None:
        left = self._limits.length - self._limits.warning
        await self._warn("MAXIMUM_SESSION_LENGTH_APPROACHING", f"The session will be ended in {left:g} s.")
