"""How long to go on asking."""

from __future__ import annotations

import threading
import time


class Timeout:
    """For so many seconds, or until somebody says stop."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._stopped = threading.Event()

    def part(self, share: float) -> Timeout:
        """Return a share of what is left, which ends with the whole."""
        part = Timeout(self.left() * share)
        part._stopped = self._stopped
        return part

    def stop(self) -> None:
        """End it now; from any thread."""
        self._stopped.set()

    def left(self) -> float:
        """Return the seconds that are left; 0 when it is over."""
        return 0.0 if self._stopped.is_set() else max(0.0, self._ends - time.monotonic())

    def pause(self, seconds: float) -> bool:
        """Wait so long, and tell whether there is still time then; when there won't be, don't even wait."""
        return seconds < self.left() and not self._stopped.wait(seconds) and self.left() > 0
