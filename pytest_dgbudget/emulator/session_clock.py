"""One session's time: the delays after which the emulator itself goes on, waited for or skipped."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Literal

Pace = Literal["vendor", "max"]
PACES: tuple[Pace, ...] = ("vendor", "max")

_REACTION_SECONDS = 0.005  # a program on this machine takes about 1 ms to answer or to hang up


class SessionClock:
    """Seconds of the running loop, and those that pace ``max`` has skipped.

    What limits the client or waits for it is never timed by this clock, with one exception: ``at`` runs a callback when
    this time, skipped seconds included, has come. ``audio_until`` is the moment at which the client's audio that has
    come would have ended in real time. Beyond ``end``, a moment as well, nothing is skipped.
    """

    def __init__(self, pace: Pace) -> None:
        self.audio_until = 0.0
        self.end = math.inf
        self._skipped = 0.0
        self._skips = pace == "max"
        self._loop = asyncio.get_running_loop()
        self._alarms: list[_Alarm] = []

    @property
    def skipped(self) -> float:
        """Seconds that were skipped, and those by which the client's audio is ahead: live they pass as well."""
        return self._skipped + self._to_skip(self.audio_until)

    def seconds(self) -> float:
        return self._loop.time() + self._skipped

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.seconds() + seconds)

    async def sleep_until(self, moment: float) -> None:
        """Return when this moment has come; other sessions have their turn in any case."""
        self.skip_to(moment)
        skipped = self._skips and moment <= self.end
        await asyncio.sleep(0 if skipped else max(0.0, moment - self.seconds()))

    async def let_client_react(self) -> None:
        """At pace ``max``, give the client a moment: live it has all the time that is skipped next."""
        if self._skips:
            await asyncio.sleep(_REACTION_SECONDS)

    def skip_to(self, moment: float) -> None:
        """At pace ``max``, go on at this moment if it lies ahead, or at the end if that comes before."""
        seconds = self._to_skip(moment)
        if seconds > 0:
            self._skipped += seconds
            for alarm in list(self._alarms):
                if alarm in self._alarms:  # not if one before it has cancelled it
                    alarm.look()

    def catch_up(self) -> None:
        """At pace ``max``, go on when the client's audio that has come would have ended."""
        self.skip_to(self.audio_until)

    def at(self, moment: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once at this moment; return what cancels it."""
        alarm = _Alarm(self, moment, callback)
        self._alarms.append(alarm)
        alarm.look()
        return alarm.cancel

    def _to_skip(self, moment: float) -> float:
        """Return the seconds to skip until this moment."""
        return max(0.0, min(moment, self.end) - self.seconds()) if self._skips else 0.0

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
