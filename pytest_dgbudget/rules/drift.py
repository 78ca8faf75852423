"""Drift: by how much the sums of many sessions differ, beyond what honest causes explain.

Each session may agree with the vendor's figure within the tolerance, and all of them together still be billed minutes
more than they took. Pure: integer milliseconds. The sum is clipped, never its parts.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_dgbudget.rules.comparison import Line
from pytest_dgbudget.rules.totals import Counted, Total
from pytest_dgbudget.rules.verdicts import AGREEING, WITHOUT_DURATION, Verdict
from pytest_dgbudget.units import known_sum

Direction = Literal["more", "less"]

TOO_FEW = "too-few-sessions"
FEWEST_LINES = 20
_ONLY_MORE = "{} sessions have no known handshake or close: they are judged for more, and left out for less"
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
    ``of_hours``: they do. ``without_around`` of the lines have no known handshake or close: these are only judged for
    what the vendor has more.
    """

    n: int
    verdict: Verdict | None
    of_hours: bool = False
    reason: str | None = None
    ms: int | None = None
    direction: Direction | None = None
    mean_ms: float | None = None
    interval_ms: tuple[float, float] | None = None
    without_around: int = 0


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


def drift_remarks(drift: Drift) -> Iterator[str]:
    """Say of how many sessions drift was judged in one direction alone."""
    if drift.without_around and drift.reason is not None:
        yield f"drift: {drift.reason}"


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
    """Sums over ``n`` lines. ``known``: those of the lines whose handshake and close are known, ``around_ms`` together.

    ``deltas_ms`` are None where rows lack them.
    """

    n: int
    own_ms: int
    vendor_ms: int
    whole_seconds: bool
    deltas_ms: Sequence[int] | None
    known: _Known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    n: int = 0
    own_ms: int = 0
    vendor_ms: int = 0
    around_ms: int = 0


def _of_rows(lines: Iterable[Line]) -> _Sums:
    own_sum = vendor_sum = 0
    known_n = known_own = known_vendor = around_sum = 0
    deltas: list[int] = []
    whole_seconds = True
    for line in lines:
        own_ms, vendor_ms = line.own_ms, line.vendor_ms
        if line.kind not in AGREEING or own_ms is None or vendor_ms is None:
            continue
        own_sum, vendor_sum = own_sum + own_ms, vendor_sum + vendor_ms
        deltas.append(vendor_ms - own_ms)
        whole_seconds = whole_seconds and vendor_ms % 1000 == 0
        around_ms = line.around_ms
        if around_ms is not None:
            known_n, around_sum = known_n + 1, around_sum + around_ms
            known_own, known_vendor = known_own + own_ms, known_vendor + vendor_ms
    return _Sums(
        n=len(deltas),
        own_ms=own_sum,
        vendor_ms=vendor_sum,
        whole_seconds=whole_seconds,
        deltas_ms=deltas,
        known=_Known(n=known_n, own_ms=known_own, vendor_ms=known_vendor, around_ms=around_sum),
    )


def _of_hours(lines: Sequence[Line], hours: Total) -> _Sums | None:
    """Return the lines without a duration; None without any, or where the hours can't stand for them all.

    The hours can't be parted: one of them whose handshake or close is not known leaves all of them unknown.
    """
    without = [line for line in lines if line.vendor_ms is None]
    own_ms, around_ms = (known_sum(getattr(line, name) for line in without) for name in ("own_ms", "around_ms"))
    if hours.vendor is None or hours.verdict != "reconciled" or own_ms is None:
        return None
    if not without or any(line.kind not in WITHOUT_DURATION for line in without):
        return None
    vendor_ms, n = hours.vendor - sum(line.vendor_ms for line in lines if line.vendor_ms is not None), len(without)
    is_known = around_ms is not None
    return _Sums(
        n=n,
        own_ms=own_ms,
        vendor_ms=vendor_ms,
        whole_seconds=abs(vendor_ms - round(vendor_ms, -3)) <= _ALMOST_MS,
        deltas_ms=None,
        known=_Known(n=n, own_ms=own_ms, vendor_ms=vendor_ms, around_ms=around_ms or 0) if is_known else _Known(),
    )


def _together(rows: _Sums, rest: _Sums) -> _Sums:
    one, other = rows.known, rest.known
    return _Sums(
        n=rows.n + rest.n,
        own_ms=rows.own_ms + rest.own_ms,
        vendor_ms=rows.vendor_ms + rest.vendor_ms,
        whole_seconds=rows.whole_seconds and rest.whole_seconds,
        deltas_ms=None,
        known=_Known(
            n=one.n + other.n,
            own_ms=one.own_ms + other.own_ms,
            vendor_ms=one.vendor_ms + other.vendor_ms,
            around_ms=one.around_ms + other.around_ms,
        ),
    )


def _judged(sums: _Sums, share: float) -> Drift:
    if sums.n < FEWEST_LINES:
        return Drift(n=sums.n, verdict=None, reason=TOO_FEW)
    left = _left(sums, share)
    direction = next((each for each, ms in left.items() if ms > 0), None)
    without_around = sums.n - sums.known.n
    return Drift(
        n=sums.n,
        verdict="reconciled" if direction is None else "discrepancy",
        reason=_ONLY_MORE.format(without_around) if without_around else None,
        ms=None if direction is None else left[direction],
        direction=direction,
        of_hours=sums.deltas_ms is None,
        mean_ms=(sums.vendor_ms - sums.own_ms) / sums.n,
        interval_ms=None if sums.deltas_ms is None else _interval(sums.deltas_ms),
        without_around=without_around,
    )


def _left(sums: _Sums, share: float) -> dict[Direction, int]:
    """Return what honest causes don't explain: of all lines for more, of those with a known handshake for less."""
    of_each_ms = _NOTICED_MS + (_ROUNDED_MS if sums.whole_seconds else 0)
    known = sums.known
    less_ms = known.own_ms - known.vendor_ms - known.around_ms
    more: dict[Direction, int] = {
        "more": sums.vendor_ms - sums.own_ms - of_each_ms * sums.n - math.ceil(sums.own_ms * share)
    }
    if known.n < FEWEST_LINES:
        return more
    return {**more, "less": less_ms - of_each_ms * known.n - math.ceil(known.own_ms * share)}


def _interval(deltas_ms: Sequence[int]) -> tuple[float, float]:
    """Return the interval in which the mean of all such sessions is, at 99 %."""
    n, total = len(deltas_ms), sum(deltas_ms)
    variance = (sum(delta * delta for delta in deltas_ms) - total * total / n) / (n - 1)
    margin = _Z_99 * math.sqrt(max(variance, 0) / n)
    return total / n - margin, total / n + margin
