"""A time limit that several calls share."""

from __future__ import annotations

import threading
import time

from pytest_dgbudget.units import format_time

# How much longer than its timeout a call is waited for: an answer to a request that was made in time may still come.
GRACE_SECONDS = 0.5


class Timeout:
    """A number of seconds from now on, which another thread can end early."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._stopped = threading.Event()

    def part(self, share: float) -> Timeout:
        """Return a timeout of a share of what is left; it ends when the whole does."""
        part = Timeout(self.left() * share)
        part._stopped = self._stopped
        return part

    def stop(self) -> None:
        """End it now; from any thread."""
        self._stopped.set()

    def left(self) -> float:
        """Return the seconds that are left; 0 once it has ended."""
        return 0.0 if self._stopped.is_set() else max(0.0, self._ends - time.monotonic())

    def pause(self, seconds: float) -> bool:
        """Wait, and return whether time is left afterwards; return False at once where none would be."""
        return seconds < self.left() and not self._stopped.wait(seconds) and self.left() > 0


def unanswered(seconds: float) -> str:
    """Say that nothing came within a timeout of so many seconds."""
    return f"the management API did not answer within {format_time(round(seconds * 1000))}"
