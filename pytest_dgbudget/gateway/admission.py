"""The queue: who may open a session next.

Strictly first come first served, and unbilled. A test that holds a lease already needs a free place only; it goes
ahead of those that wait for a lease, since nobody would gain if it waited for them while its lease ran. What other
gateways hold as well is waited for in the ledger, by the head of the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.clock import now_ms
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.leases import BudgetRefused, Leases
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.ledger_watch import LedgerWatch
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.gateway.run_keys import RunKey, RunKeyMissing, no_run_key
from pytest_dgbudget.ledger.changes import Changes
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import Awaited, ClosedBy, GivenUpWait
from pytest_dgbudget.rules.attempts import CUT_BY, was_cut

# A gateway that is killed changes nothing in the ledger, and neither does midnight.
_LOOKS_EVERY_SECONDS = 1
_EXPECTED = (BudgetRefused, RunKeyMissing, LedgerError)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A place and a lease, and the dial that is recorded for them; ``run_key`` None: with the target's own key."""

    lease: OpenLease
    dial: str
    run_key: RunKey | None


class Waiter:
    """One connect in the queue; ``left`` when its client is gone.

    ``run_key`` returns the key to dial with, when that is due. ``entered``: it may be in the ledger as one that waits.
    """

    def __init__(self, grant: Grant, run_key: Callable[[], RunKey | None] = no_run_key) -> None:
        self.id = new_id()
        self.grant = grant
        self.run_key = run_key
        self.left = False
        self.entered = False
        self.answer: asyncio.Future[Admitted] = asyncio.get_running_loop().create_future()
        self._since_ms = now_ms()
        self._awaits: Awaited | None = None
        self._waited_ms: Counter[Awaited] = Counter()

    @property
    def is_over(self) -> bool:
        """True when nobody may be admitted for it any more."""
        return self.left or self.grant.spent.done() or self.grant.ended.done()

    def ended_by(self) -> ClosedBy:
        """Return who closes what is not dialled for it; where the ledger has failed, the same as of open sessions."""
        if self.left:
            return "client"
        if self.grant.spent.done():
            return CUT_BY[self.grant.spent.result().scope]
        return self.grant.ended.result() if self.grant.ended.done() else "teardown"

    def waits_for(self, awaited: Awaited) -> None:
        """Wait for this from now on, the first time since it came."""
        self._count()
        self._awaits = awaited

    def waited(self) -> Counter[Awaited]:
        """Return how many milliseconds it has waited, by what it waited for."""
        self._count()
        return +self._waited_ms

    def given_up(self) -> GivenUpWait | None:
        """Return how long it waited in vain; None where it had not to wait."""
        waited = self.waited()
        if self._awaits is None:
            return None
        longest = max(waited, key=waited.__getitem__, default=self._awaits)
        return GivenUpWait(ms=waited.total(), awaited=longest)

    def _count(self) -> None:
        if self._awaits is not None:
            until_ms = now_ms()
            self._waited_ms[self._awaits] += until_ms - self._since_ms
            self._since_ms = until_ms


class Admission:
    """Gives out places and leases, one decision at a time. ``open_changes`` makes what tells of other gateways."""

    def __init__(
        self, leases: Leases, ledger_thread: LedgerThread, max_sessions: float, open_changes: Callable[[], Changes]
    ) -> None:
        self._leases = leases
        self._ledger_thread = ledger_thread
        self._most = self._places = max_sessions
        self._queue: list[Waiter] = []
        self._changed = asyncio.Event()
        self._watch = LedgerWatch(open_changes, self._changed.set)
        self._task = asyncio.ensure_future(self._serve())

    async def admit(self, waiter: Waiter, gone: asyncio.Future[None]) -> Admitted | None:
        """Wait for a place and a lease, and hold both; None when the client left or the test ended meanwhile.

        Raises BudgetRefused, at once for a test that was cut, RunKeyMissing or LedgerError; and what must not happen.
        """
        spent = waiter.grant.spent
        if not spent.done():
            self._queue.append(waiter)
            self._changed.set()
            ends: list[asyncio.Future[Any]] = [waiter.answer, gone, waiter.grant.ended, spent]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if waiter.answer.done():
                return waiter.answer.result()
            waiter.left = gone.done()
            self._changed.set()
        if spent.done():
            raise BudgetRefused(replace(spent.result(), kind="refused"))
        return None

    def waiting(self) -> int:
        """Return how many wait for their turn."""
        return sum(not waiter.is_over for waiter in self._queue)

    def give_back(self, lease: OpenLease) -> None:
        """Free the place of a session that is closed, and its hold on the lease."""
        self._places += 1
        self._leases.release(lease)
        self._changed.set()

    def give_up(self, waiter: Waiter, admitted: Admitted) -> None:
        """Free what was given for a session that is not dialled after all."""
        closed_by, spent = waiter.ended_by(), waiter.grant.spent
        overrun = replace(spent.result(), kind="cut") if was_cut(closed_by) else None
        self._leases.never_dialled(admitted.dial, closed_by, overrun)
        self.give_back(admitted.lease)

    def stop(self) -> None:
        self._task.cancel()
        self._watch.stop()
        for waiter in self._queue:
            self._leave_ledger(waiter)

    async def _serve(self) -> None:
        while True:
            await self._woken()
            self._changed.clear()
            while await self._admit_next():
                pass

    async def _woken(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), _LOOKS_EVERY_SECONDS if self._must_look else None)

    @property
    def _must_look(self) -> bool:
        """Whether nobody may tell when the head's turn has come: others hold what it waits for, as nobody here does."""
        return self._watch.is_on or (bool(self._queue) and self._places == self._most)

    async def _admit_next(self) -> bool:
        """Answer the next waiter; False when none can be answered now."""
        waiter = self._next()
        if waiter is None:
            self._watch.stop()
            return False
        try:
            return await self._serve_next(waiter)
        except Exception as error:  # of ours too: whoever asks has the answer, and the others are served
            self._refuse(waiter, error)
            return True

    async def _serve_next(self, waiter: Waiter) -> bool:
        answer = await self._answer(waiter)
        if isinstance(answer, Queued):
            self._wait(waiter, answer)
            return False
        self._give(waiter, answer)
        return True

    def _next(self) -> Waiter | None:
        for waiter in [waiter for waiter in self._queue if waiter.is_over]:
            self._remove(waiter)
        holding = (waiter for waiter in self._queue if waiter.grant.lease is not None)
        return next(holding, None) or next(iter(self._queue), None)

    async def _answer(self, waiter: Waiter) -> Admitted | Queued:
        if self._places == 0:
            return Queued("place", None)
        self._ledger_thread.check()
        key = waiter.run_key()
        key_id = None if key is None else key.id
        lease = waiter.grant.lease
        if lease is None:
            answer = await self._leases.open(waiter.grant, key_id, waiter.id)
        else:
            self._check_that_it_lasts(lease)
            answer = await self._leases.dial(lease, key_id, waiter.id)
        return answer if isinstance(answer, Queued) else Admitted(*answer, key)

    def _check_that_it_lasts(self, lease: OpenLease) -> None:
        """Raise BudgetRefused where a lease doesn't last for one session more."""
        lacks = lease.lacks()
        if lacks is not None:
            raise BudgetRefused(lease.overrun("refused", lacks))

    def _wait(self, waiter: Waiter, queued: Queued) -> None:
        """Everybody waits for what this one waits for."""
        for each in self._queue:
            each.waits_for(queued.awaited)
        if queued.with_others:
            waiter.entered = True
            self._watch.start()
        else:
            for each in self._queue:
                self._leave_ledger(each)
            self._watch.stop()

    def _give(self, waiter: Waiter, admitted: Admitted) -> None:
        waiter.entered = False
        self._remove(waiter)
        self._places -= 1
        if waiter.is_over:
            self.give_up(waiter, admitted)
        else:
            waiter.answer.set_result(admitted)

    def _refuse(self, waiter: Waiter, error: Exception) -> None:
        if waiter in self._queue:
            self._remove(waiter)
        if not waiter.is_over:
            waiter.answer.set_exception(error)
        elif not isinstance(error, _EXPECTED):
            log(error)  # which whoever answers the client does otherwise

    def _remove(self, waiter: Waiter) -> None:
        self._queue.remove(waiter)
        self._leave_ledger(waiter)

    def _leave_ledger(self, waiter: Waiter) -> None:
        if waiter.entered:
            waiter.entered = False
            self._leases.stop_waiting(waiter.id)
