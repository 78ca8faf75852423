"""The ledger's sessions as they are compared with the statement: of a run, and of a period of all runs."""

from __future__ import annotations

import sys

from pytest_dgbudget.instants import epoch_ms
from pytest_dgbudget.ledger.facts import SessionFacts
from pytest_dgbudget.ledger.period import SessionOfPeriod
from pytest_dgbudget.rules.comparison import OwnSession


def own_session(record: SessionFacts | SessionOfPeriod, run: str, *, by_key: bool = False) -> OwnSession:
    """Return a session of a run. ``by_key``: the run was dialled with keys of its own, so that no tag is needed."""
    return OwnSession(
        id=record.id,
        request_id=record.request_id,
        ms=record.ms,
        ended_at_ms=None if record.closed_at is None else epoch_ms(record.closed_at),
        tagged=record.tagged != 0 or by_key,
        run=sys.intern(run),
        opened_at_ms=epoch_ms(record.opened_at),
        handshake_ms=record.handshake_ms,
        closing_ms=record.closing_ms,
        tier=record.only_tier,
        changed_micro_usd=_changed_micro_usd(record),
        opened=record.handshake_ms is not None or record.ms is None,
    )


def _changed_micro_usd(record: SessionFacts | SessionOfPeriod) -> int | None:
    """Return what a session of several tiers, each of them known, comes to by our prices; a period has no such cost."""
    if not isinstance(record, SessionFacts) or record.only_tier is not None or record.estimated != 0:
        return None
    return record.micro_usd
