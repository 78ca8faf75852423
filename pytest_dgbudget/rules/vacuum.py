"""Which runs' details may be taken out of a ledger, and why others stay. Pure: instants as records have them."""

from __future__ import annotations

from typing import Literal, NamedTuple

# Why the details of a run that is old enough stay: a gateway serves it; it has no end and was heard of lately; a lease
# of it is open; one of another run that was taken on the same day is, so that the day's sum may still change; its
# reconciliation is pending; its last lease is the ledger's last, from which new ones count on; something was added to
# it while it was archived.
WhyKept = Literal["live", "unfinished", "open-lease", "open-day", "pending", "last-lease", "changed"]


class KeptRun(NamedTuple):
    """A run that is old enough, and why its details stay."""

    run: str
    why: WhyKept


class OldRun(NamedTuple):
    """A run of the ledger. ``ended_at`` is None where an invocation of it has no end; it was ``heard_of_at`` last."""

    id: str
    target: str
    ended_at: str | None
    heard_of_at: str
    leases: int
    open_leases: int
    last_lease: int | None
    days: frozenset[str] = frozenset()


class LedgerState(NamedTuple):
    """What keeps runs: those that are pending, the number of the last lease, and the days of leases that are open."""

    pending: frozenset[str]
    last_lease: int
    open_days: frozenset[str]


def is_old(run: OldRun, before: str) -> bool:
    """Return whether a run ended before an instant, or was last heard of before it."""
    return (run.ended_at or run.heard_of_at) < before


def why_kept(run: OldRun, state: LedgerState, silent_since: str) -> WhyKept | None:
    """Return why a run stays; None where it may go. One that nobody ended is over when it was silent for so long."""
    if run.open_leases:
        return "open-lease"
    if run.ended_at is None and run.heard_of_at >= silent_since:
        return "unfinished"
    if run.id in state.pending and run.target != "emulator":  # an emulator's statement is gone with it
        return "pending"
    if run.last_lease == state.last_lease:
        return "last-lease"
    return None if run.days.isdisjoint(state.open_days) else "open-day"
