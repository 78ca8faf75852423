"""How long the vendor's statement takes, as earlier runs saw it, and how a run's end waits for it.

Pure: times are milliseconds, and lags count from the end of a run's last session. None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_dgbudget.units import format_time

# Fewer runs than these say nothing.
FEWEST_RUNS = 3
# How many are looked at. Runs that don't wait learn nothing of the lag: as they come, those that did leave this number,
# and then a run waits in full again.
LAST_RUNS = 20

FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 100, 5000

# The last reading comes a little before the end of the wait.
_NEARLY_ALL = 0.9
# A statement that takes less than this many times what is waited for may come in time the next time.
_MUCH_LONGER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLag:
    """``pending_ms``: when something was seen to be missing last; ``settled_ms``: when nothing was missing first.

    The statement settled in between, so ``settled_ms`` is an upper bound: it was read then.
    """

    pending_ms: int | None = None
    settled_ms: int | None = None

    def after_reading(self, at_ms: int, *, settled: bool) -> StatementLag:
        """Return what is known after one more reading."""
        if settled:
            return replace(self, settled_ms=at_ms if self.settled_ms is None else min(self.settled_ms, at_ms))
        return replace(self, pending_ms=at_ms if self.pending_ms is None else max(self.pending_ms, at_ms))


def quiet_ms(history: Sequence[StatementLag]) -> int:
    """Return for how long no statement of these runs had settled; 0 where there are too few of them."""
    if len(history) < FEWEST_RUNS:
        return 0
    return min(lag.pending_ms or 0 for lag in history)


def next_pause_ms(readings: int, quiet_left_ms: int, left_ms: int) -> int:
    """Return how long to wait before the next reading.

    ``readings`` counts those since the quiet time; ``quiet_left_ms`` is what is left of that, ``left_ms`` of the wait.
    The last reading is to come near the end, and not where the next pause no longer fits.
    """
    growing_ms = min(FIRST_PAUSE_MS << min(readings, 10), LONGEST_PAUSE_MS)
    return min(max(growing_ms, quiet_left_ms), max(FIRST_PAUSE_MS, left_ms // 2))


def why_hopeless(history: Sequence[StatementLag], until_ms: int) -> str | None:
    """Return why it makes no sense to wait for the statement ``until_ms`` after the last session; None where it may.

    At least three runs must have waited as long in vain, and none have seen it within twice that time.
    """
    pending = [lag.pending_ms for lag in history if lag.pending_ms is not None]
    in_vain = [ms for ms in pending if ms >= _NEARLY_ALL * until_ms]
    settled = [lag.settled_ms for lag in history if lag.settled_ms is not None]
    if len(in_vain) < FEWEST_RUNS or any(ms <= _MUCH_LONGER * until_ms for ms in settled):
        return None
    complete = f", and complete after {format_time(max(settled))} at the latest" if settled else ""
    return (
        f"it was not waited for: in {len(in_vain)} earlier runs the statement was incomplete "
        f"{format_time(min(in_vain))} after the last session{complete}"
    )
