"""What other people's agents used of the project while a run went on: worth knowing, and no discrepancy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from pytest_dgbudget.rules.comparison import Line, Ours, OwnSession, VendorRow
from pytest_dgbudget.rules.reconciliation import rows_by_request
from pytest_dgbudget.rules.same_rows import counted_rows
from pytest_dgbudget.units import counted, known_sum, seconds


def others_remarks(
    sessions: Sequence[OwnSession], rows: Iterable[VendorRow], lines: Sequence[Line], ours: Ours
) -> Iterator[str]:
    """Count the agents' requests that are in no line and began while one of our sessions was open, or between them."""
    placed = {line.request_id for line in lines}
    apart = rows_by_request(row for row in rows if row.request_id not in placed)
    began = _began_within((counted_rows(of_request)[-1] for of_request in apart.values()), sessions)
    theirs = [row for row in began if ours.has(row) is False]
    nobody_knows = [row for row in began if ours.has(row) is None]
    if theirs:
        yield f"{_how_much(theirs)} began during this run under other tags or keys: they are somebody else's"
    if nobody_knows:
        yield (
            f"{_how_much(nobody_knows)} began during this run; whether they are its own can't be told, "
            "since the statement does not show their tags"
        )


def _began_within(rows: Iterable[VendorRow], sessions: Sequence[OwnSession]) -> list[VendorRow]:
    opened = [session.opened_at_ms for session in sessions if session.opened_at_ms is not None]
    ended = [session.ended_at_ms for session in sessions if session.ended_at_ms is not None]
    if not opened:
        return []
    first, last = min(opened), max(ended) if len(ended) == len(sessions) else math.inf
    agents = (row for row in rows if row.agent is not False)
    return [row for row in agents if row.created_ms is not None and first <= row.created_ms <= last]


def _how_much(rows: Sequence[VendorRow]) -> str:
    """Say how many requests there are, and how long they took by their rows."""
    ms = known_sum(row.shown_ms for row in rows)
    long = "of unknown length" if ms is None else f"{seconds(ms):.2f}s in all"
    return f"{counted(len(rows), 'other agent session')} of the project, {long},"
