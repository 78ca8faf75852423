"""An attempt as the ledger knows it, for a gateway that takes over from one that died."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.facts import SessionFacts, records
from pytest_dgbudget.model import Attempt, Overrun, ScopeName, was_cut

Rows = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAttempt:
    """What is settled of an attempt, in milliseconds, and what a budget did to it.

    ``orphaned_ms``: charged for leases whose end nobody saw; None where there are none.
    """

    attempt: Attempt
    settled_ms: int
    orphaned_ms: int | None
    sessions: Sequence[SessionFacts]
    overruns: Sequence[Overrun]


def read_attempt(rows: Rows, attempt_id: str) -> KnownAttempt | None:
    """Read one attempt; None where there is no such. Call within a transaction."""
    of_attempt = {"attempt": attempt_id}
    found: list[Attempt] = list(records(Attempt, rows(sql.ATTEMPT, of_attempt)))
    if not found:
        return None
    ends = rows(sql.LEASE_ENDS, of_attempt)
    orphaned = [ms for _, how, ms, _, _ in ends if how == "orphaned"]
    sessions: Sequence[SessionFacts] = records(SessionFacts, rows(sql.SESSIONS_OF_ATTEMPT, of_attempt))
    was_cut_in = {session.lease for session in sessions if was_cut(session.closed_by)}
    cuts = [_overrun("cut", scope, ms, allowed) for id_, _, ms, scope, allowed in ends if id_ in was_cut_in]
    refusals = [_overrun("refused", *row) for row in rows(sql.REFUSALS, of_attempt)]
    return KnownAttempt(
        attempt=found[0],
        settled_ms=sum(ms for _, how, ms, _, _ in ends if how == "settled"),
        orphaned_ms=sum(orphaned) if orphaned else None,
        sessions=sessions,
        overruns=[*cuts, *refusals],
    )


def _overrun(kind: Any, scope: ScopeName, used_ms: int, allowed_ms: int) -> Overrun:
    return Overrun(kind=kind, scope=scope, used_ms=used_ms, allowed_ms=allowed_ms)
