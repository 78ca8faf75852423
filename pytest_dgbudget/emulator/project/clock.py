"""The account's clock: UTC, and seconds that never go back. Tests speed it up or put it forward."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone


class Clock:
    """Runs ``speed`` times as fast as the world's: from ``start`` on, or beside the machine's own UTC."""

    def __init__(self, *, speed: float = 1.0, start: datetime | None = None) -> None:
        self._start = start
        self._begun = time.monotonic()
        self._speed = speed
        self._put_forward = 0.0

    def seconds(self) -> float:
        """Return what has passed since this clock began."""
        return self._elapsed() * self._speed + self._put_forward

    def now(self) -> datetime:
        """Return UTC. Without a start the machine leads, so that a laptop that slept is right again."""
        if self._start is not None:
            return self._start + timedelta(seconds=self.seconds())
        return datetime.now(timezone.utc) + timedelta(seconds=self.seconds() - self._elapsed())

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    def advance(self, seconds: float) -> None:
        self._put_forward += seconds
