"""How long a session may last, and how long its client may be silent.

Facts: the vendor's page "Errors & Warnings" and its changelog of 2026-07-31: 2 h, with a warning at 1 h 55 min; no
message extends this. The number of silent seconds after which a session ends is not documented.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from pytest_dgbudget.emulator.codes import ProtocolError

Warn = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds. ``silence`` is the emulator's choice; with ``speed`` 60 a session ages by a minute each second."""

    silence: float = 15
    warning: float = 6900
    length: float = 7200
    speed: float = 1


class SessionTimer:
    """Enforces the limits of one session."""

    def __init__(self, limits: Limits, warn: Warn) -> None:
        self._limits = limits
        self._warn = warn
        self._clock = asyncio.get_running_loop().time
        self._last_heard = self._clock()
        self._warned = False

    def heard(self) -> None:
        """Note that the client has sent a message of any kind."""
        self._last_heard = self._clock()

    async def run(self) -> NoReturn:
        """Warn when the end is near and raise ProtocolError at a limit. The session begins now."""
        clock = self._clock
        began = clock()
        self.heard()
        while True:
            age = (clock() - began) * self._limits.speed
            silence = clock() - self._last_heard
            self._check(age, silence)
            if age >= self._limits.warning and not self._warned:
                await self._warn_of_end()
            await asyncio.sleep(self._until_next(age, silence))

    def _check(self, age: float, silence: float) -> None:
        limits = self._limits
        if age >= limits.length:
            text = f"The session is {limits.length:g} s old, which is the longest; open a new one."
            raise ProtocolError("MAXIMUM_SESSION_LENGTH_REACHED", text)
        if silence >= limits.silence:
            text = f"No message came for {limits.silence:g} s; send audio, or KeepAlive every 8 s."
            raise ProtocolError("CLIENT_MESSAGE_TIMEOUT", text)

    async def _warn_of_end(self) -> None:
        self._warned = True
        left = self._limits.length - self._limits.warning
        await self._warn("MAXIMUM_SESSION_LENGTH_APPROACHING", f"The session will be ended in {left:g} s.")

    def _until_next(self, age: float, silence: float) -> float:
        limits = self._limits
        warning = math.inf if self._warned else (limits.warning - age) / limits.speed
        return max(0.0, min(warning, (limits.length - age) / limits.speed, limits.silence - silence))
