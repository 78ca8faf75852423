"""Real time, whatever a test that is under way has made of ``time``."""

from __future__ import annotations

import functools
import subprocess
import time
from collections.abc import Callable

# Neither freezegun nor time-machine touches this clock, and a partial is no function that a scan of modules replaces.
# On Windows, which lacks it, the plugin loads and starts nothing.
seconds: Callable[[], float] = (
    functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.monotonic
)
epoch_seconds = functools.partial(time.time)
_pause = functools.partial(time.sleep, 0.01)


def milliseconds() -> int:
    return int(seconds() * 1000)


def has_ended(process: subprocess.Popen[bytes], within: float) -> bool:
    """Wait for a process's end, ``within`` seconds, and return whether it came.

    Popen.wait would look its deadline up by a name that tests replace.
    """
    deadline = seconds() + within
    while process.poll() is None:
        if seconds() > deadline:
            return False
        _pause()
    return True
