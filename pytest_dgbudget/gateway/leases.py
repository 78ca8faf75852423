"""Leases: where an attempt's time is set aside before a session is dialled, and charged when the last one is closed."""

from __future__ import annotations

from collections.abc import Callable

from pytest_dgbudget.gateway.clock import Clock
from pytest_dgbudget.gateway.events import Events, LeaseSettled
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.sessions import MeteredSession
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import Attempt, Lease, Overrun, UsageRecord
from pytest_dgbudget.rules.budget import Refused, Scope, Wait
from pytest_dgbudget.units import known_sum

# Takes a lease for an attempt, and returns with it the id of its first dial where that was recorded along with it.
TakeLease = Callable[[Attempt], tuple[Lease, str | None] | Wait | Refused]


def without_dial(ledger: Ledger) -> TakeLease:
    """Return what takes a lease alone: with which key its first session will be dialled is not known yet."""

    def take(attempt: Attempt) -> tuple[Lease, None] | Wait | Refused:
        answer = ledger.lease(attempt)
        return (answer, None) if isinstance(answer, Lease) else answer

    return take


class BudgetRefused(Exception):
    """A budget has too little left for another session."""

    def __init__(self, overrun: Overrun) -> None:
        super().__init__(overrun.scope)
        self.overrun = overrun


class Leases:
    """Opens and settles the leases of a run."""

    def __init__(
        self,
        ledger: Ledger,
        ledger_thread: LedgerThread,
        clock: Clock,
        events: Events,
        take: TakeLease,
        highest_price: int,
    ) -> None:
        """``take`` is called on the ledger's thread; ``highest_price`` is that of a session whose tier is not known."""
        self._highest_price = highest_price
        self._take = take
        self._clock = clock
        self._events = events
        self._ledger = ledger
        self._ledger_thread = ledger_thread

    async def open(self, grant: Grant) -> OpenLease | None:
        """Open a lease and record its first dial; None when the grant must wait. Raises BudgetRefused, LedgerError."""
        answer = await self._ledger_thread.call(self._take, grant.attempt)
        if isinstance(answer, Refused):
            raise BudgetRefused(refusal(answer.scope))
        if isinstance(answer, Wait):
            return None
        lease, first_dial = answer
        grant.lease = OpenLease(grant, lease, first_dial, self._clock, self._events, self._highest_price)
        return grant.lease

    async def dial(self, lease: OpenLease, run_key: str | None = None) -> str:
        """Record a session about to be dialled, with this key of the run's, and return its id; raises LedgerError."""
        dial, lease.first_dial = lease.first_dial, None
        if dial is None:
            target = lease.grant.attempt.target
            dial = await self._ledger_thread.call(self._ledger.record_dial, lease.lease, target, run_key)
        self._ledger_thread.check()
        return dial

    def session_ended(self, lease: OpenLease, session: MeteredSession, record: UsageRecord) -> None:
        """Record what a session used."""
        lease.unrecorded.remove(session)
        lease.used_micro_usd += record.micro_usd or 0
        lease.grant.session_ended(session, record)
        self._ledger_thread.enqueue(self._ledger.record_usage, record)

    def hold(self, lease: OpenLease) -> None:
        """Keep a lease open for a client that may open a session of it."""
        lease.holders += 1

    def release(self, lease: OpenLease) -> None:
        """Give back one hold on a lease; the last one settles it."""
        lease.holders -= 1
        if lease.holders == 0:
            self._settle(lease)

    def _settle(self, lease: OpenLease) -> None:
        grant, used_ms = lease.grant, lease.meter.used_ms
        grant.lease = None
        if lease.first_dial is not None:
            self._ledger_thread.enqueue(self._ledger.record_usage, _never_dialled(lease.first_dial))
        grant.settled_ms += used_ms
        grant.settled_micro_usd = known_sum([grant.settled_micro_usd, lease.used_micro_usd])
        self._ledger_thread.enqueue(self._ledger.settle, lease.lease, used_ms, lease.used_micro_usd)
        settled = LeaseSettled(
            attempt=grant.attempt.id, lease=lease.lease.id, used_ms=used_ms, used_micro_usd=lease.used_micro_usd
        )
        self._events.emit(settled)


def refusal(scope: Scope) -> Overrun:
    """Return the overrun of a budget that refuses a session."""
    return Overrun(
        kind="refused",
        scope=scope.name,
        label=scope.label,
        currency=scope.currency,
        used=scope.settled,
        allowed=scope.allowed,
        also_used=scope.also_settled,
    )


def _never_dialled(dial: str) -> UsageRecord:
    """Return the record of a session whose client left when all was ready to dial."""
    return UsageRecord(
        dial=dial,
        request_id=None,
        closed_at=utc_now(),
        ms=0,
        handshake_ms=None,
        audio_in_ms=0,
        audio_out_ms=0,
        closed_by="client",
        close_code=None,
        confirmed=True,
        tagged=False,
        micro_usd=0,
    )
