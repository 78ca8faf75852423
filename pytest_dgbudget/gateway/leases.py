"""Leases: where an attempt's time is set aside before a session is dialled, and charged when the last one is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pytest_dgbudget.gateway.clock import Clock
from pytest_dgbudget.gateway.events import Events, LeaseSettled
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.sessions import MeteredSession
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger.connection import LedgerUnreachable
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import ClosedBy, Overrun, UsageRecord
from pytest_dgbudget.rules.budget import Refused, Scope
from pytest_dgbudget.units import known_sum

R = TypeVar("R")


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
        highest_price: int,
    ) -> None:
        """``highest_price`` is that of a session whose tier is not known."""
        self._highest_price = highest_price
        self._clock = clock
        self._events = events
        self._ledger = ledger
        self._ledger_thread = ledger_thread

    async def open(self, grant: Grant, run_key: str | None, waiter: str) -> tuple[OpenLease, str] | Queued:
        """Open a lease, record its first dial, with this key of the run's, and hold the lease for it.

        ``waiter`` names who asks, as often as it does. Raises BudgetRefused, LedgerError.
        """
        answer = await self._asked(waiter, self._ledger.lease_to_dial, grant.attempt, run_key)
        if isinstance(answer, Refused):
            raise BudgetRefused(refusal(answer.scope))
        if isinstance(answer, Queued):
            return answer
        lease, dial = answer
        grant.lease = OpenLease(grant, lease, self._clock, self._events, self._highest_price)
        self._hold(grant.lease)
        return grant.lease, dial

    async def dial(self, lease: OpenLease, run_key: str | None, waiter: str) -> tuple[OpenLease, str] | Queued:
        """Record a further session of a lease that is about to be dialled, and hold the lease for it.

        Raises LedgerError.
        """
        # At once: others may give the lease back meanwhile.
        self._hold(lease)
        try:
            answer = await self._asked(waiter, self._ledger.further_dial, lease.lease, lease.grant.attempt, run_key)
        except BaseException:
            self.release(lease)
            raise
        if isinstance(answer, Queued):
            self.release(lease)
            return answer
        return lease, answer

    async def _asked(self, waiter: str, ask: Callable[..., R], *args: object) -> R:
        """Return what the ledger answers to a waiter; what it wrote without being heard is taken back."""
        try:
            return await self._ledger_thread.call(ask, *args, waiter)
        except LedgerUnreachable:
            self._ledger_thread.enqueue(self._ledger.take_back, _never_dialled(waiter, "network"))
            raise

    def stop_waiting(self, waiter: str) -> None:
        """Have one wait no longer that was queued."""
        self._ledger_thread.enqueue(self._ledger.stop_waiting, waiter)

    def never_dialled(self, dial: str, closed_by: ClosedBy, overrun: Overrun | None = None) -> None:
        """Record of a dial that it was not made after all, and why; ``overrun`` where a budget has closed it."""
        self._ledger_thread.enqueue(self._ledger.record_usage, _never_dialled(dial, closed_by, overrun))

    def session_ended(self, lease: OpenLease, session: MeteredSession, record: UsageRecord) -> None:
        """Record what a session used."""
        lease.unrecorded.remove(session)
        lease.used_micro_usd += record.micro_usd or 0
        lease.grant.session_ended(session, record)
        self._ledger_thread.enqueue(self._ledger.record_usage, record)

    def _hold(self, lease: OpenLease) -> None:
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


def _never_dialled(dial: str, closed_by: ClosedBy, overrun: Overrun | None = None) -> UsageRecord:
    """Return the record of a session that was over when all was ready to dial."""
    return UsageRecord(
        dial=dial,
        request_id=None,
        closed_at=utc_now(),
        ms=0,
        handshake_ms=None,
        audio_in_ms=0,
        audio_out_ms=0,
        closed_by=closed_by,
        close_code=None,
        confirmed=True,
        tagged=False,
        micro_usd=0,
        overrun=overrun,
    )
