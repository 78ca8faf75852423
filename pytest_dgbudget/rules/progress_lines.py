"""When a log has a line on what is used so far: seldom, and when it says something new. Pure."""

from __future__ import annotations

# Short runs have none.
_AT_MOST_EVERY_SECONDS = 60.0
_AT_LEAST_EVERY_SECONDS = 300.0
_QUARTERS = 4


class ProgressLines:
    """A line is due a minute after the last one when another quarter of a budget is used, and after five when anything
    is. Times are seconds of any clock; the first counts as that of a line.
    """

    def __init__(self, now: float) -> None:
        self._said_at = now
        self._quarters = 0
        self._used = 0.0

    def is_due(self, now: float, used: float, share: float | None) -> bool:
        """Return whether one is due, and count it as written. ``share`` is that of a budget, None without one."""
        passed, quarters = now - self._said_at, int((share or 0.0) * _QUARTERS)
        is_due = (passed >= _AT_MOST_EVERY_SECONDS and quarters > self._quarters) or (
            passed >= _AT_LEAST_EVERY_SECONDS and used > self._used
        )
        if is_due:
            self._said_at, self._quarters, self._used = now, quarters, used
        return is_due
