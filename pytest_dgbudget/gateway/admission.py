"""The queue: who may open a session next.

Strictly first come first served, and unbilled. A test that holds a lease already needs a free place only; it goes
ahead of those that wait for a lease, since nobody would gain if it waited for them while its lease ran.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.clock import now_ms
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.leases import BudgetRefused, Leases
from pytest_dgbudget.gateway.ledger_thread import LedgerThread


class Waiter:
    """One connect in the queue; ``left`` when its client is gone or its test is over."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self.since_ms = now_ms()
        self.had_to_wait = False
        self.left = False
        self.answer: asyncio.Future[OpenLease] = asyncio.get_running_loop().create_future()

    @property
    def is_over(self) -> bool:
        """True when nobody may be admitted for it any more."""
        return self.left or self.grant.spent.done()

    @property
    def waited_ms(self) -> int:
        return now_ms() - self.since_ms if self.had_to_wait else 0


class Admission:
    """Gives out places and leases, one decision at a time."""

    def __init__(self, leases: Leases, ledger_thread: LedgerThread, max_sessions: float) -> None:
        self._leases = leases
        self._ledger_thread = ledger_thread
        self._places = max_sessions
        self._queue: list[Waiter] = []
        self._changed = asyncio.Event()
        self._task = asyncio.ensure_future(self._serve())

    async def admit(self, waiter: Waiter, gone: asyncio.Future[None]) -> OpenLease | None:
        """Wait for a place and a lease, and hold both; None when the client left or the test ended meanwhile.

        Raises BudgetRefused, at once for a test that was cut, or LedgerError.
        """
        spent = waiter.grant.spent
        if not spent.done():
            self._queue.append(waiter)
            self._changed.set()
            ends: list[asyncio.Future[Any]] = [waiter.answer, gone, waiter.grant.ended, spent]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if waiter.answer.done():
                return waiter.answer.result()
            waiter.left = True
            self._changed.set()
        if spent.done():
            raise BudgetRefused(replace(spent.result(), kind="refused"))
        return None

    def give_back(self, lease: OpenLease) -> None:
        """Free the place of a session that is closed, and its hold on the lease."""
        self._places += 1
        self._leases.release(lease)
        self._changed.set()

    def stop(self) -> None:
        self._task.cancel()

    async def _serve(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while await self._admit_next():
                pass

    async def _admit_next(self) -> bool:
        """Answer the next waiter; False when none can be answered now."""
        self._queue = [waiter for waiter in self._queue if not waiter.is_over]
        waiter = next((w for w in self._queue if w.grant.lease is not None), None) or next(iter(self._queue), None)
        if waiter is None:
            return False
        if self._places == 0:
            self._mark_waiting()
            return False
        try:
            self._ledger_thread.check()
            lease = await self._lease_for(waiter.grant)
        except (BudgetRefused, LedgerError) as error:
            self._queue.remove(waiter)
            if not waiter.is_over:
                waiter.answer.set_exception(error)
            return True
        if lease is None:
            self._mark_waiting()
            return False
        self._give(waiter, lease)
        return True

    async def _lease_for(self, grant: Grant) -> OpenLease | None:
        """Return a lease that lasts for one session more; None when the grant must wait."""
        if grant.lease is None:
            return await self._leases.open(grant)
        lacks = grant.lease.lacks()
        if lacks is not None:
            raise BudgetRefused(grant.lease.overrun("refused", lacks))
        return grant.lease

    def _mark_waiting(self) -> None:
        for waiter in self._queue:
            waiter.had_to_wait = True

    def _give(self, waiter: Waiter, lease: OpenLease) -> None:
        self._queue.remove(waiter)
        self._places -= 1
        self._leases.hold(lease)
        if waiter.is_over:
            self.give_back(lease)
        else:
            waiter.answer.set_result(lease)
