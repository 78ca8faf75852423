"""When messages without a line came: runs of them, written short, as ``recording.json`` has them.

A run is ``[line, at_ms, size, gaps]``: behind that line of ``session.jsonl`` (0: before all of them) messages of so
many bytes came, the first ``at_ms`` after the dial, each next one so many milliseconds later: ``"20*49 21 19"`` are
fifty-one more. A KeepAlive's has no size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

# The vendor's longest session, two hours, in pieces of 20 ms both ways has 720,000; none lasts a week.
MOST_MESSAGES = 1_000_000
MOST_MS = 7 * 24 * 3_600_000
_GAP = re.compile(r"([0-9]{1,9})(?:\*([0-9]{1,7}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """A message that has no line: ``line`` is the number of the one before it, ``size`` in bytes."""

    line: int
    at_ms: int
    size: int


def runs_of(messages: Iterable[Unlisted]) -> list[list[Any]]:
    """Return the runs of messages that are in order."""
    runs: list[list[Any]] = []
    for (line, size), together in groupby(messages, lambda each: (each.line, each.size)):
        instants = [each.at_ms for each in together]
        runs.append([line, instants[0], size, _gaps(instants)])
    return runs


def messages_in(runs: Any) -> Iterator[Unlisted]:
    """Yield the messages of runs that may be anything; raises ValueError."""
    if not isinstance(runs, list):
        raise ValueError("no list of runs")
    room = MOST_MESSAGES
    for number, run in enumerate(runs, 1):
        match run:
            case [int(line), int(at_ms), int(size), str(written)] if min(line, at_ms, size) >= 0:
                gaps = [_read_gap(gap, number) for gap in written.split()]
                room -= 1 + sum(times for _, times in gaps)
                if room < 0:
                    raise ValueError(f"more than {MOST_MESSAGES} messages")
                if at_ms + sum(gap * times for gap, times in gaps) > MOST_MS:
                    raise ValueError(f"run {number} ends after more than a week")
                yield from (Unlisted(line=line, at_ms=at, size=size) for at in _instants(at_ms, gaps))
            case _:
                raise ValueError(f"run {number} is none")


def _gaps(instants: Sequence[int]) -> str:
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    counted = ((gap, len(list(alike))) for gap, alike in groupby(gaps))
    return " ".join(str(gap) if times == 1 else f"{gap}*{times}" for gap, times in counted)


def _read_gap(written: str, number: int) -> tuple[int, int]:
    """Return how long a gap is, and how often it comes."""
    found = _GAP.fullmatch(written)
    if found is None:
        raise ValueError(f"run {number} has a gap that is none")
    return int(found[1]), int(found[2] or 1)


def _instants(at_ms: int, gaps: Sequence[tuple[int, int]]) -> Iterator[int]:
    yield at_ms
    for gap, times in gaps:
        for _ in range(times):
            at_ms += gap
            yield at_ms
