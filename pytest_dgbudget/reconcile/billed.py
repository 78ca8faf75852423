"""What the vendor has billed for the leases of a run, as far as its statement says so: that is what windows count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_dgbudget.ledger.facts import RunFacts, SessionFacts
from pytest_dgbudget.ledger.statements import BilledLease
from pytest_dgbudget.rules.comparison import Line
from pytest_dgbudget.units import known_sum


def billed_leases(facts: RunFacts, lines: Iterable[Line]) -> dict[str, BilledLease]:
    """Return, by lease, what its sessions came to where the statement has figures of them, and by ours where not.

    Only figures that no longer change count, and only of a request that is one session of ours.
    """
    if not facts.billed:
        return {}
    line_of = {line.own[0].id: line for line in lines if line.settled and len(line.own) == 1}
    sessions_of: dict[str, list[SessionFacts]] = {}
    for session in facts.of_own_target().sessions:
        sessions_of.setdefault(session.lease, []).append(session)
    found = {lease: _billed(sessions, line_of) for lease, sessions in sessions_of.items()}
    ended = {lease.id for lease in facts.leases if lease.how is not None}
    return {lease: billed for lease, billed in found.items() if lease in ended and billed != BilledLease(None, None)}


def _billed(sessions: Sequence[SessionFacts], line_of: Mapping[str, Line]) -> BilledLease:
    lines = [line_of.get(session.id) for session in sessions]
    stated_ms = [None if line is None else line.stated_ms for line in lines]
    micro_usd = [None if line is None else line.micro_usd for line in lines]
    return BilledLease(
        ms=_with_ours(stated_ms, [session.ms for session in sessions]),
        micro_usd=_with_ours(micro_usd, [session.micro_usd for session in sessions]),
    )


def _with_ours(theirs: Sequence[int | None], ours: Sequence[int | None]) -> int | None:
    """Return the sum of their figures, with ours where they have none; None where they have none at all."""
    if all(figure is None for figure in theirs):
        return None
    return known_sum(own if figure is None else figure for figure, own in zip(theirs, ours, strict=True))
