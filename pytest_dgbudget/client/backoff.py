"""How long a client waits that the vendor refused because too many sessions are open (429)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from pytest_dgbudget.control import real_time

_MOST_SECONDS = 30
_FIRST_PAUSE_SECONDS = 0.5
# Less than this is not worth another try.
_LEAST_SECONDS = 0.1


class Backoff:
    """Gives the pauses between the tries of one connect: each twice the last, or what the vendor asks for."""

    def __init__(self, now: Callable[[], float] = real_time.seconds) -> None:
        self._now = now
        self._until = now() + _MOST_SECONDS
        self._next = _FIRST_PAUSE_SECONDS

    def pause(self, retry_after: str = "", date: str = "") -> float | None:
        """Return how many seconds to wait; None when no time is left for that.

        ``retry_after`` and ``date`` are the headers of the refusal, empty where it has none.
        """
        left = self._until - self._now()
        wanted, self._next = self._next, 2 * self._next
        asked = _seconds(retry_after, date)
        if asked is not None and asked > left:
            return None
        return min(max(wanted, asked or 0.0), left) if left >= _LEAST_SECONDS else None


def _seconds(retry_after: str, date: str) -> float | None:
    """Read the header: seconds, or an instant, which counts from the refusal's own: our clock is the test's."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    at, now = _instant(retry_after), _instant(date)
    return None if at is None or now is None else (at - now).total_seconds()


def _instant(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=timezone.utc)
