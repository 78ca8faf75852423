"""The clock that meters: monotonic, in integer milliseconds, and the same as the event loop's."""

from __future__ import annotations

import time


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def loop_time(at_ms: int) -> float:
    """Return an instant of ``now_ms`` in the seconds that ``loop.call_at`` takes."""
    return at_ms / 1000
