"""What is to be reconciled."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.rules.matching import OwnSession, Terms, Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A run's sessions, and by what they are compared."""

    facts: RunFacts
    tolerance: Tolerance
    grace_ms: int

    @property
    def terms(self) -> Terms:
        """The terms of a comparison that is made now."""
        return Terms(tolerance=self.tolerance, grace_ms=self.grace_ms, now_ms=time.time_ns() // 1_000_000)

    @property
    def began(self) -> datetime:
        """When the first session was dialled."""
        return min(_instant(session.opened_at) for session in self.facts.sessions)

    def sessions(self) -> list[OwnSession]:
        """Return the run's sessions; a dial that is known never to have opened is none."""
        return [
            OwnSession(
                id=session.id,
                request_id=session.request_id,
                ms=session.ms,
                ended_at_ms=None
                if session.closed_at is None
                else round(_instant(session.closed_at).timestamp() * 1000),
                tagged=session.tagged != 0,
            )
            for session in self.facts.sessions
            if session.handshake_ms is not None or session.ms is None
        ]


def _instant(at: str) -> datetime:
    return datetime.fromisoformat(at.replace("Z", "+00:00"))


def _epoch_ms(at: str) -> int:
    return round(_instant(at).timestamp() * 1000)
