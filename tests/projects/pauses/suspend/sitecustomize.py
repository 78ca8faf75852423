"""A suspend, as programs see it: the clock that counts it has jumped, all others and every timer stood still."""

import time
from pathlib import Path

FLAG = Path(__file__).parent / "suspended"
_seconds, _nanoseconds = time.clock_gettime, time.clock_gettime_ns


def _slept(clock: int) -> int:
    return 60 if clock == time.CLOCK_BOOTTIME and FLAG.exists() else 0


time.clock_gettime = lambda clock: _seconds(clock) + _slept(clock)
time.clock_gettime_ns = lambda clock: _nanoseconds(clock) + _slept(clock) * 1_000_000_000
