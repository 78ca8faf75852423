"""Sessions in time: on which lane each is drawn, and where. Pure geometry."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.report.document import SessionFigures

# Time without a session that is longer than this share of all others is drawn as a break.
_LONG_BREAK = 0.25
_SHORT_MS = 10_000
_BREAK_SHARE = 0.04


class Span(NamedTuple):
    """A session between two instants (milliseconds since 1970), ``at`` its place in the document.

    ``ended``: whether its end is known; if it is not, it is drawn until the end of the run.
    """

    begin: int
    end: int
    at: int
    ended: bool


class Stretch(NamedTuple):
    """Time in which sessions were open, or were shortly before and after."""

    begin: int
    end: int


def spans(sessions: Iterable[SessionFigures], finished_at: str | None) -> list[Span]:
    """Return the sessions whose beginning is known, in the order of these; ``finished_at`` is the end of the run."""
    last = _ms(finished_at)
    found = (_span(at, session, last) for at, session in enumerate(sessions))
    return sorted(span for span in found if span is not None)


def _span(at: int, session: SessionFigures, last: int | None) -> Span | None:
    begin, seconds = _ms(session["opened_at"]), session["seconds"]
    if begin is None:
        return None
    end = _ms(session["closed_at"])
    if end is None and seconds is not None:
        end = begin + round(seconds * 1000)
    drawn = next(each for each in (end, last, begin) if each is not None)
    return Span(begin, max(begin, drawn), at, end is not None)


def _ms(instant: str | None) -> int | None:
    moment = None if instant is None else read_instant(instant)
    return None if moment is None else round(moment.timestamp() * 1000)


def packed(ordered: Sequence[Span], most: int) -> tuple[list[list[Span]], int]:
    """Return lanes of spans of which none overlap, and how many spans found none among the most that there may be."""
    lanes: list[list[Span]] = []
    free: list[tuple[int, int]] = []  # when a lane is free again, and which
    left_out = 0
    for span in ordered:
        if free and free[0][0] <= span.begin:
            lane = heapq.heappop(free)[1]
        elif len(lanes) < most:
            lane = len(lanes)
            lanes.append([])
        else:
            left_out += 1
            continue
        lanes[lane].append(span)
        heapq.heappush(free, (max(span.end, span.begin + 1), lane))
    return lanes, left_out


def stretches(ordered: Sequence[Span]) -> list[Stretch]:
    """Return the time of all spans without the long breaks between them."""
    busy: list[Stretch] = []
    for span in ordered:
        if busy and span.begin <= busy[-1].end:
            busy[-1] = Stretch(busy[-1].begin, max(busy[-1].end, span.end))
        else:
            busy.append(Stretch(span.begin, span.end))
    longest = max(_SHORT_MS, round(_LONG_BREAK * sum(each.end - each.begin for each in busy)))
    joined = busy[:1]
    for each in busy[1:]:
        if each.begin - joined[-1].end <= longest:
            joined[-1] = Stretch(joined[-1].begin, each.end)
        else:
            joined.append(each)
    return joined


class Scale:
    """Where an instant is drawn; breaks between stretches all have one width."""

    def __init__(self, shown: Sequence[Stretch], width: float) -> None:
        self.breaks: list[tuple[float, int]] = []  # the middle of each, and how long it is
        gap = width * min(_BREAK_SHARE, 0.5 / len(shown))
        whole = sum(each.end - each.begin for each in shown) or 1
        self._per_ms = (width - gap * (len(shown) - 1)) / whole
        self._starts: list[tuple[Stretch, float]] = []
        x, before = 0.0, shown[0].begin
        for each in shown:
            if self._starts:
                self.breaks.append((x + gap / 2, each.begin - before))
                x += gap
            self._starts.append((each, x))
            x, before = x + (each.end - each.begin) * self._per_ms, each.end

    def __call__(self, ms: int) -> float:
        stretch, x = next((pair for pair in reversed(self._starts) if pair[0].begin <= ms), self._starts[0])
        return x + (ms - stretch.begin) * self._per_ms

    def ticks(self, count: int) -> list[tuple[float, int]]:
        """Return round instants of the longest stretch, about so many: where each is, and how long after its begin."""
        stretch, start = max(self._starts, key=lambda pair: pair[0].end - pair[0].begin)
        length = stretch.end - stretch.begin
        step = next((step for step in _STEPS_MS if length / step <= count), max(1, length // count))
        return [(start + at * self._per_ms, at) for at in range(0, length + 1, step)]


_STEPS_MS = (
    *(100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 43_200_000),
)
