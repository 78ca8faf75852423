"""A period for an audit: what the ledger has of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.holders import Holders
from pytest_dgbudget.ledger.period import PeriodReader, SessionOfPeriod, UnseenLease
from pytest_dgbudget.reconcile.own_sessions import own_session
from pytest_dgbudget.rules.audit_facts import AuditedLedger, UnseenUse
from pytest_dgbudget.rules.comparison import OwnSession

# How far the vendor's clock and ours may be apart: what began shortly before the period may have a row within it.
EDGE = timedelta(minutes=5)
# The vendor ends a session after two hours: of those that began earlier, none is in the period's hours.
_LONGEST_SESSION = timedelta(hours=2, minutes=15)
# A lease lasts for what it was granted, and no suite has a budget of a week.
_LONGEST_LEASE = timedelta(days=7)


def read_ledger(connection: Connection, holders: Holders, since: datetime, target: str) -> AuditedLedger:
    """Return what a ledger has of a period that begins at ``since``, and what may reach into it; raises LedgerError."""
    at = write_instant(since)
    reader = PeriodReader(connection, target, write_instant(since - _LONGEST_LEASE))
    with connection.snapshot():
        runs, keys, archived = reader.runs(), reader.run_keys(), reader.archived(at)
        found = _sort_sessions(reader.sessions(write_instant(since - _LONGEST_SESSION)))
        projects = reader.projects() if target == "rehearsal" else {}
        live = holders.live(run.id for run in runs)
        unseen, elsewhere = reader.unseen_leases(at), reader.other_sessions(at)
    return AuditedLedger(
        target=target,
        sessions=found.sessions,
        micro_usd=found.micro_usd,
        unseen=tuple(_unseen_use(lease, found.lost.get(lease.id, ())) for lease in unseen if lease.stated_ms is None),
        run_of_tag={run.tag: run.id for run in runs},
        run_of_key=keys,
        project_of_run=projects,
        live=frozenset(live),
        archived=archived.runs,
        archived_requests=archived.requests,
        elsewhere=elsewhere,
        dials=found.dials,
    )


@dataclass(frozen=True, slots=True)
class _Sessions:
    """Those that opened, what each costs by our prices, of each lease those whose end nobody saw, and failed dials."""

    sessions: list[OwnSession] = field(default_factory=list)
    micro_usd: dict[str, int] = field(default_factory=dict)
    lost: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dials: list[OwnSession] = field(default_factory=list)


def _sort_sessions(records: Iterable[SessionOfPeriod]) -> _Sessions:
    found = _Sessions()
    for record in records:
        if record.handshake_ms is None and record.ms is not None:
            found.dials.append(own_session(record, record.run))
            continue
        found.sessions.append(own_session(record, record.run))
        if record.micro_usd is not None:
            found.micro_usd[record.id] = record.micro_usd
        if record.ms is None:
            found.lost[record.lease] = (*found.lost.get(record.lease, ()), record.id)
    return found


def _unseen_use(lease: UnseenLease, sessions: tuple[str, ...]) -> UnseenUse:
    """A lease without an end may be used up; once it is orphaned it is charged in full."""
    is_open = lease.how is None
    charged_ms = lease.allowance_ms if lease.ended_ms is None else lease.ended_ms
    charged_micro_usd = lease.micro_usd if is_open else lease.ended_micro_usd
    return UnseenUse(
        lease=lease.id,
        run=lease.run,
        taken_at=lease.taken_at,
        is_open=is_open,
        ms=max(0, charged_ms - lease.seen_ms),
        micro_usd=None if charged_micro_usd is None else max(0, charged_micro_usd - lease.seen_micro_usd),
        sessions=sessions,
    )
