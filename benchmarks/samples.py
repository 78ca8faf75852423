"""What a pile of samples says: one statistic of them, and the quartiles of a ratio."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Statistic = Literal["median", "p50", "p90", "p99", "max", "min", "mean"]

RANKS = {"min": 0.0, "median": 0.5, "p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median with the quartiles around it."""

    low: float
    median: float
    high: float


def reduce(samples: Sequence[float], statistic: Statistic) -> float:
    """One number for all of them."""
    if statistic == "mean":
        return sum(samples) / len(samples)
    return at_rank(sorted(samples), RANKS[statistic])


def at_rank(ordered: Sequence[float], rank: float) -> float:
    """Between two samples it is on the straight line between them."""
    place = (len(ordered) - 1) * rank
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Sequence[float]) -> Spread:
    ordered = sorted(values)
    return Spread(low=at_rank(ordered, 0.25), median=at_rank(ordered, 0.5), high=at_rank(ordered, 0.75))
