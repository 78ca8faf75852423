"""When audio is heard that arrives in pieces: each after the one before, and dropped where the listener interrupts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Samples that are heard one after the other: from ``start`` on in time, from ``first`` on in their stream."""

    start: int
    first: int
    count: int

    @property
    def end(self) -> int:
        return self.start + self.count


class Playback:
    """Plays what arrives, in samples of one rate.

    What is still to be heard is kept, so it takes as much memory as the sender is ahead.
    """

    def __init__(self) -> None:
        self._pending: deque[Heard] = deque()
        self._end = 0

    def arrived(self, at: int, first: int, count: int) -> Iterator[Heard]:
        """Take samples that arrive at ``at``; yield what has been heard by then."""
        yield from self._heard_by(at)
        start = max(at, self._end)
        self._end = start + count
        last = self._pending[-1] if self._pending else None
        if last is not None and last.end == start and last.first + last.count == first:
            self._pending[-1] = replace(last, count=last.count + count)
        elif count:
            self._pending.append(Heard(start=start, first=first, count=count))

    def interrupted(self, at: int) -> Iterator[Heard]:
        """Drop what has not been heard at ``at``; yield what has."""
        yield from self._heard_by(at)
        self._pending.clear()
        self._end = min(self._end, at)

    def unheard(self, at: int) -> int:
        """Return how many samples are still to be heard at ``at``."""
        return max(0, self._end - max(at, self._pending[0].start)) if self._pending else 0

    def finish(self) -> Iterator[Heard]:
        """Yield what is still to be heard."""
        yield from self._pending
        self._pending.clear()

    def _heard_by(self, at: int) -> Iterator[Heard]:
        while self._pending and self._pending[0].start < at:
            part = self._pending.popleft()
            heard = min(part.count, at - part.start)
            yield replace(part, count=heard)
            if heard < part.count:
                rest = Heard(start=part.start + heard, first=part.first + heard, count=part.count - heard)
                self._pending.appendleft(rest)
                return


def in_long_parts(parts: Iterable[Heard]) -> Iterator[Heard]:
    """Join parts that follow one another both in time and in their stream."""
    joined: Heard | None = None
    for part in parts:
        if joined is not None and (joined.end, joined.first + joined.count) == (part.start, part.first):
            joined = replace(joined, count=joined.count + part.count)
            continue
        if joined is not None:
            yield joined
        joined = part
    if joined is not None:
        yield joined
