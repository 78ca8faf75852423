"""The project's clock: UTC, and seconds that never go back. Tests speed it up or advance it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone


class Clock:
    """Runs ``speed`` times as fast as real time, from ``start`` or from the machine's current UTC."""

    def __init__(self, *, speed: float = 1.0, start: datetime | None = None) -> None:
        self._start = start
        self._began = time.monotonic()
        self._speed = speed
        self._advanced = 0.0

    def seconds(self) -> float:
        """Return the seconds since this clock began."""
        return self._elapsed() * self._speed + self._advanced

    def now(self) -> datetime:
        """Return UTC. Without a start it follows the machine's clock, so that it is right again after a suspend."""
        if self._start is not None:
            return self._start + timedelta(seconds=self.seconds())
        return datetime.now(timezone.utc) + timedelta(seconds=self.seconds() - self._elapsed())

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def advance(self, seconds: float) -> None:
        self._advanced += seconds
