"""What leaked, and how late a session was closed, by what the stand-in for the vendor has metered.

Pure: integer milliseconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_dgbudget.rules.meter import LeaseMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSession:
    """One session as the stand-in saw it: accepted, told to close (or lost), and its socket closed."""

    id: str
    opened_ms: int
    close_seen_ms: int
    closed_ms: int

    @property
    def metered_ms(self) -> int:
        return self.closed_ms - self.opened_ms


def leak_ms(sessions: Sequence[SeenSession], *, allowance_ms: int, charged_ms: int, over_ms: Mapping[str, int]) -> int:
    """Return how much was metered beyond what may be, by the rule that is hurt most; 0: nothing leaked.

    ``allowance_ms`` is what the sessions may use together, ``charged_ms`` what the ledger charged for them.
    ``over_ms`` says from which instant on a session had no owner any more, or its test was over.
    """
    metered = sum(session.metered_ms for session in sessions)
    after_the_end = (session.closed_ms - over_ms[session.id] for session in sessions if session.id in over_ms)
    return max(0, metered - allowance_ms, metered - charged_ms, *after_the_end)


def lateness_ms(sessions: Sequence[SeenSession], *, allowance_ms: int, over_ms: Mapping[str, int]) -> int:
    """Return how long after the instant at which it was due the latest Close was seen."""
    return max(0, *_latenesses(sessions, allowance_ms, over_ms))


def _latenesses(sessions: Sequence[SeenSession], allowance_ms: int, over_ms: Mapping[str, int]) -> Iterator[int]:
    """Sessions that share a lease use it up together: what opens and closes moves the deadline, until it has passed."""
    lease = LeaseMeter(allowance_ms=allowance_ms)
    due_ms: int | None = None
    for at_ms, ends, session in _events(sessions):
        if ends:
            assert due_ms is not None
            yield at_ms - min(due_ms, over_ms.get(session.id, due_ms))
            lease.closed(at_ms)
        else:
            lease.opened(at_ms)
        if not lease.open_sessions:
            due_ms = None
        elif due_ms is None or due_ms > at_ms:
            due_ms = lease.deadline_ms()


def _events(sessions: Sequence[SeenSession]) -> list[tuple[int, bool, SeenSession]]:
    """Return when each session opened and was told to close, in order."""
    openings = [(session.opened_ms, False, session) for session in sessions]
    endings = [(session.close_seen_ms, True, session) for session in sessions]
    return sorted([*openings, *endings], key=lambda event: event[:2])
