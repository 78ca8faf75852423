"""One session's time: the delays after which the emulator itself goes on, waited for or skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

Pace = Literal["vendor", "max"]
PACES: tuple[Pace, ...] = ("vendor", "max")

_REACTION_SECONDS = 0.005  # a program on this machine takes about 1 ms to answer or to hang up


class SessionClock:
    """Seconds of the running loop, and those that pace ``max`` has skipped.

    What limits the client or waits for it is never timed by this clock, with one exception: ``at`` runs a callback when
    this time, skipped seconds included, has come.
    """

    def __init__(self, pace: Pace) -> None:
        self.skipped = 0.0
        self._skips = pace == "max"
        self._loop = asyncio.get_running_loop()
        self._alarms: list[_Alarm] = []

    @property
    def skips(self) -> bool:
        """Whether delays are skipped."""
        return self._skips

    def seconds(self) -> float:
        return self._loop.time() + self.skipped

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.seconds() + seconds)

    async def sleep_until(self, moment: float) -> None:
        """Return when this moment has come; other sessions have their turn in any case."""
        if self._skips:
            self.skip_to(moment)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(max(0.0, moment - self.seconds()))

    async def let_client_react(self) -> None:
        """At pace ``max``, give the client a moment: live it has all the time that is skipped next."""
        if self._skips:
            await asyncio.sleep(_REACTION_SECONDS)

    def skip_to(self, moment: float) -> None:
        """At pace ``max``, go on at this moment if it lies ahead."""
        if self._skips and moment > self.seconds():
            self.skipped += moment - self.seconds()
            for alarm in list(self._alarms):
                if alarm in self._alarms:  # not if one before it has cancelled it
                    alarm.look()

    def at(self, moment: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once at this moment; return what cancels it."""
        alarm = _Alarm(self, moment, callback)
        self._alarms.append(alarm)
        alarm.look()
        return alarm.cancel

    def forget(self, alarm: _Alarm) -> None:
        if alarm in self._alarms:
            self._alarms.remove(alarm)


class _Alarm:
    """A callback at a moment of a clock that may jump."""

    def __init__(self, clock: SessionClock, moment: float, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._moment = moment
        self._callback = callback
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Set the timer for what is left, or call back now."""
        if self._timer is not None:
            self._timer.cancel()
        left = self._moment - self._clock.seconds()
        if left > 0:
            self._timer = asyncio.get_running_loop().call_later(left, self.look)
            return
        self.cancel()
        self._callback()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._clock.forget(self)
