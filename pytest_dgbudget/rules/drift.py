"""Drift: by how much the sums of many sessions differ, beyond what honest causes explain.

Each session may agree with the vendor's figure within the tolerance, and all of them together still be billed minutes
more than they took. Pure: integer milliseconds. The sum is clipped, never its parts.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_dgbudget.rules.comparison import Line
from pytest_dgbudget.rules.totals import Counted, Total
from pytest_dgbudget.rules.verdicts import AGREEING, WITHOUT_DURATION, Verdict
from pytest_dgbudget.units import known_sum

Direction = Literal["more", "less"]

TOO_FEW = "too-few-sessions"
FEWEST_LINES = 20
# What honest causes explain of each session: an end that is noticed late, and whole seconds.
_NOTICED_MS, _ROUNDED_MS = 500, 1000
# The hours come as a fraction of an hour, so that a sum of whole seconds is one only nearly.
_ALMOST_MS = 5
# The quantile of the normal distribution outside of which, on both sides, is one hundredth.
_Z_99 = 2.5758


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What was found in the sum of ``n`` lines. ``verdict`` is None where nothing was judged, for ``reason``.

    ``ms`` and ``direction`` (what the vendor has, more or less) are None unless something is left. ``mean_ms`` and its
    99 % interval are of the vendor's figure less ours, line by line; no interval where hours stand for rows.
    ``of_hours``: they do.
    """

    n: int
    verdict: Verdict | None
    of_hours: bool = False
    reason: str | None = None
    ms: int | None = None
    direction: Direction | None = None
    mean_ms: float | None = None
    interval_ms: tuple[float, float] | None = None


def drift_of(lines: Iterable[Line], share: float, counted: Counted, hours: Total) -> Drift:
    """Return the drift in these lines: of a run, of a key, of a period.

    ``share`` of our sum is what may be explained beside what may be of each session. Where hours agree, what they have
    beyond the durations of their rows stands for the lines without one.
    """
    found = _of_rows(lines)
    rest = _of_hours(counted.under, hours)
    if rest is None:
        return _judged(found, share)
    judged = _judged(_together(found, rest), share)
    if counted.may_grow and judged.direction == "less":
        return Drift(n=judged.n, verdict=None, reason="the hours may still grow")
    return judged


def by_key(lines: Iterable[Line], keys: Container[str]) -> dict[str, list[Line]]:
    """Group the lines whose rows are under one of these keys: each key is judged by itself, too."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        key_id = line.rows[0].key_id if line.rows else None
        if key_id is not None and key_id in keys:
            groups.setdefault(key_id, []).append(line)
    return groups


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Sums over ``n`` lines. ``around_ms``: our handshakes and closes. ``deltas_ms`` are None where rows lack them."""

    n: int
    own_ms: int
    vendor_ms: int
    around_ms: int
    whole_seconds: bool
    deltas_ms: Sequence[int] | None


def _of_rows(lines: Iterable[Line]) -> _Sums:
    own_sum = vendor_sum = around_sum = 0
    deltas: list[int] = []
    whole_seconds = True
    for line in lines:
        own_ms, vendor_ms, around_ms = line.own_ms, line.vendor_ms, line.around_ms
        if line.kind in AGREEING and own_ms is not None and vendor_ms is not None and around_ms is not None:
            own_sum, vendor_sum, around_sum = own_sum + own_ms, vendor_sum + vendor_ms, around_sum + around_ms
            deltas.append(vendor_ms - own_ms)
            whole_seconds = whole_seconds and vendor_ms % 1000 == 0
    return _Sums(
        n=len(deltas),
        own_ms=own_sum,
        vendor_ms=vendor_sum,
        around_ms=around_sum,
        whole_seconds=whole_seconds,
        deltas_ms=deltas,
    )


def _of_hours(lines: Sequence[Line], hours: Total) -> _Sums | None:
    """Return the lines without a duration; None without any, or where the hours can't stand for them all."""
    without = [line for line in lines if line.vendor_ms is None]
    own_ms, around_ms = (known_sum(getattr(line, name) for line in without) for name in ("own_ms", "around_ms"))
    if hours.vendor is None or hours.verdict != "reconciled" or own_ms is None or around_ms is None:
        return None
    if not without or any(line.kind not in WITHOUT_DURATION for line in without):
        return None
    vendor_ms = hours.vendor - sum(line.vendor_ms for line in lines if line.vendor_ms is not None)
    return _Sums(
        n=len(without),
        own_ms=own_ms,
        vendor_ms=vendor_ms,
        around_ms=around_ms,
        whole_seconds=abs(vendor_ms - round(vendor_ms, -3)) <= _ALMOST_MS,
        deltas_ms=None,
    )


def _together(rows: _Sums, rest: _Sums) -> _Sums:
    return _Sums(
        n=rows.n + rest.n,
        own_ms=rows.own_ms + rest.own_ms,
        vendor_ms=rows.vendor_ms + rest.vendor_ms,
        around_ms=rows.around_ms + rest.around_ms,
        whole_seconds=rows.whole_seconds and rest.whole_seconds,
        deltas_ms=None,
    )


def _judged(sums: _Sums, share: float) -> Drift:
    if sums.n < FEWEST_LINES:
        return Drift(n=sums.n, verdict=None, reason=TOO_FEW)
    more_ms = sums.vendor_ms - sums.own_ms
    of_each_ms = _NOTICED_MS + (_ROUNDED_MS if sums.whole_seconds else 0)
    explained_ms = of_each_ms * sums.n + math.ceil(sums.own_ms * share)
    left: dict[Direction, int] = {"more": more_ms - explained_ms, "less": -more_ms - sums.around_ms - explained_ms}
    direction = next((each for each, ms in left.items() if ms > 0), None)
    return Drift(
        n=sums.n,
        verdict="reconciled" if direction is None else "discrepancy",
        ms=None if direction is None else left[direction],
        direction=direction,
        of_hours=sums.deltas_ms is None,
        mean_ms=more_ms / sums.n,
        interval_ms=None if sums.deltas_ms is None else _interval(sums.deltas_ms),
    )


def _interval(deltas_ms: Sequence[int]) -> tuple[float, float]:
    """Return the interval in which the mean of all such sessions is, at 99 %."""
    n, total = len(deltas_ms), sum(deltas_ms)
    variance = (sum(delta * delta for delta in deltas_ms) - total * total / n) / (n - 1)
    margin = _Z_99 * math.sqrt(max(variance, 0) / n)
    return total / n - margin, total / n + margin
