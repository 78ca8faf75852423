"""What else must be asked of the statement, once the requests of a period are there. Pure, as ``rules.audit``."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_dgbudget.rules.audit_facts import AuditedLedger, AuditedPeriod
from pytest_dgbudget.rules.comparison import Terms, VendorRow


def lacking_ids(ledger: AuditedLedger, rows: Iterable[VendorRow], period: AuditedPeriod, terms: Terms) -> list[str]:
    """Return the requests of ours that the list should have and hasn't: it may have been sorted anew in between."""
    listed = {row.request_id for row in rows}
    return [
        session.request_id
        for session in ledger.sessions
        if session.request_id is not None
        and session.request_id not in listed
        and session.run not in ledger.live
        and session.run not in ledger.archived
        and (session.opened_at_ms or 0) >= period.kept_since_ms
        and not terms.is_recent(session)
    ]


def needs_hours(ledger: AuditedLedger, rows: Iterable[VendorRow]) -> bool:
    """Return whether a session of ours has a row without a duration, so that its time shows in the hours alone."""
    known = {session.request_id for session in ledger.sessions}
    return any(row.lacks_duration and row.request_id in known for row in rows)


def was_open_at(ledger: AuditedLedger, instant_ms: int) -> bool:
    """Return whether a session ran past this instant, or may have."""
    return any(
        session.opened_at_ms is not None
        and session.opened_at_ms < instant_ms
        and (session.ended_at_ms is None or session.ended_at_ms >= instant_ms)
        for session in ledger.sessions
    )
