"""Whether something takes longer than it did, by pairs of one conversation had twice: as recorded, and again.

Like ``rules.regression``, it asks whether a figure stands out from how much it differs anyway. That is seen in how much
the pairs differ from one another; an assumption counts as much as three of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from pytest_dgbudget.rules.levels import quantile, share_of

FEWEST_PAIRS = 3
# In so many checks a figure may alarm falsely.
_ALARMS = 0.0005
# By how much the logarithms of pairs differ where nothing is known of them, which counts as much as so many pairs.
_PRIOR_SPREAD, _PRIOR_PAIRS = 0.2, 3
# Less is never drift, however alike the pairs are: days differ by that much. That share, and milliseconds.
_LEAST_CHANGE, _LEAST_MS = 0.25, 200


class Slowdown(NamedTuple):
    """What a figure was when recorded and is now, over so many pairs: geometric means.

    ``limit``, a share of what was recorded, is None where there are too few pairs to judge.
    """

    pairs: int
    recorded_ms: float
    now_ms: float
    limit: float | None

    @property
    def change(self) -> float:
        return self.now_ms / self.recorded_ms - 1

    @property
    def is_slower(self) -> bool:
        return self.limit is not None and self.change > self.limit


def slowdown(pairs: Sequence[tuple[float, float]]) -> Slowdown | None:
    """Compare pairs of milliseconds, as recorded and now; None without any. What takes no time counts as 1 ms."""
    if not pairs:
        return None
    logs = [(math.log(max(1.0, recorded)), math.log(max(1.0, now))) for recorded, now in pairs]
    recorded_ms = math.exp(fmean(recorded for recorded, _ in logs))
    return Slowdown(
        pairs=len(pairs),
        recorded_ms=recorded_ms,
        now_ms=math.exp(fmean(now for _, now in logs)),
        limit=_limit([now - recorded for recorded, now in logs], recorded_ms),
    )


def _limit(changes: Sequence[float], recorded_ms: float) -> float | None:
    if len(changes) < FEWEST_PAIRS:
        return None
    mean, freedom = fmean(changes), _PRIOR_PAIRS + len(changes) - 1
    variance = (_PRIOR_PAIRS * _PRIOR_SPREAD**2 + sum((change - mean) ** 2 for change in changes)) / freedom
    by_chance = quantile(_ALARMS, freedom) * math.sqrt(variance / len(changes))
    return max(share_of(by_chance), _LEAST_CHANGE, _LEAST_MS / recorded_ms)
