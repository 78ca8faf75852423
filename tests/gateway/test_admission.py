"""The queue: places and leases, first come first served, and nothing is kept for who has left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.admission import Admission, Waiter
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.leases import BudgetRefused, Leases
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from tests.gateway.memory import ManualClock
from tests.support.gateway import asked
from tests.support.ledger import HIGHEST_PRICE, ends_of_leases, open_ledger

pytestmark = pytest.mark.asyncio

MINUTE_MS = 60_000


class Connecting:
    """One client's way through the queue; ``gone`` is its connection."""

    def __init__(self, admission: Admission, grant: Grant) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiter = Waiter(grant)
        self.task = asyncio.ensure_future(admission.admit(self.waiter, self.gone))

    async def admitted(self) -> OpenLease:
        lease = await self.task
        assert lease is not None
        return lease


class Queue:
    """A queue before a ledger, of two minutes unless said otherwise."""

    def __init__(self, folder: Path, places: int, budget_ms: int) -> None:
        self.folder = folder
        self._places, self._budget_ms = places, budget_ms
        self.thread = LedgerThread(lambda error: None)

    async def __aenter__(self) -> Queue:
        path = self.folder / ".dgbudget/ledger.db"
        self.ledger = await self.thread.call(open_ledger, path, budget_ms=self._budget_ms)
        self.thread.attach(self.ledger)
        leases = Leases(self.ledger, self.thread, ManualClock(), Events(), self.ledger.lease_to_dial, HIGHEST_PRICE)
        self.admission = Admission(leases, self.thread, self._places)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.admission.stop()
        await self.thread.close()

    async def grant(self, name: str, budget_ms: int = MINUTE_MS) -> Grant:
        attempt = await self.thread.call(self.ledger.begin_attempt, name, "", budget_ms)
        return Grant(attempt, asked(name, budget_ms=budget_ms))

    def connect(self, grant: Grant) -> Connecting:
        return Connecting(self.admission, grant)

    async def settled(self) -> None:
        """Return when the queue has done all that it can do now."""
        for _ in range(3):
            await self.thread.written()
            await asyncio.sleep(0.001)


OpenQueue = Callable[..., Queue]


@pytest_asyncio.fixture
async def open_queue(tmp_path: Path) -> AsyncIterator[Callable[..., Queue]]:
    def queue(places: int = 9, budget_ms: int = 2 * MINUTE_MS) -> Queue:
        return Queue(tmp_path, places, budget_ms)

    yield queue


async def test_who_comes_first_is_served_first_and_one_by_one(open_queue: OpenQueue) -> None:
    async with open_queue(places=1, budget_ms=9 * MINUTE_MS) as queue:
        clients = [queue.connect(await queue.grant(name)) for name in "abc"]
        for number, client in enumerate(clients):
            lease = await client.admitted()
            await queue.settled()
            assert [other.task.done() for other in clients[number + 1 :]] == [False] * (2 - number)
            queue.admission.give_back(lease)
        assert [client.waiter.had_to_wait for client in clients] == [False, True, True]


async def test_a_test_that_holds_a_lease_goes_ahead_of_those_that_wait_for_one(open_queue: OpenQueue) -> None:
    async with open_queue(places=2, budget_ms=9 * MINUTE_MS) as queue:
        holds, other, late = [await queue.grant(name) for name in "abc"]
        lease = await queue.connect(holds).admitted()
        others = await queue.connect(other).admitted()
        waits, goes_ahead = queue.connect(late), queue.connect(holds)
        await queue.settled()
        queue.admission.give_back(others)
        assert await goes_ahead.admitted() is lease
        await queue.settled()
        assert not waits.task.done()
        queue.admission.give_back(lease)
        await waits.admitted()


async def test_a_budget_that_others_hold_is_waited_for_and_has_what_they_give_back(open_queue: OpenQueue) -> None:
    async with open_queue(budget_ms=MINUTE_MS) as queue:
        first, second = [queue.connect(await queue.grant(name)) for name in "ab"]
        lease = await first.admitted()
        await queue.settled()
        assert (second.task.done(), second.waiter.had_to_wait) == (False, True)
        queue.admission.give_back(lease)
        assert (await second.admitted()).lease.allowance_ms == MINUTE_MS


async def test_a_budget_with_too_little_left_refuses_and_keeps_nobody_else_waiting(open_queue: OpenQueue) -> None:
    async with open_queue(places=1) as queue:
        refused = queue.connect(await queue.grant("poor", budget_ms=0))
        with pytest.raises(BudgetRefused) as error:
            await refused.task
        overrun = error.value.overrun
        assert (overrun.kind, overrun.scope, overrun.used, overrun.allowed) == ("refused", "test", 0, 0)
        await queue.connect(await queue.grant("rich")).admitted()


async def test_a_client_that_goes_makes_room_for_the_next(open_queue: OpenQueue) -> None:
    async with open_queue(places=1) as queue:
        first, goes, stays = [queue.connect(await queue.grant(name)) for name in "abc"]
        lease = await first.admitted()
        goes.gone.set_result(None)
        assert await goes.task is None
        queue.admission.give_back(lease)
        await stays.admitted()


async def test_the_end_of_its_test_ends_the_waiting(open_queue: OpenQueue) -> None:
    async with open_queue(places=0) as queue:
        grant = await queue.grant("a")
        waits = queue.connect(grant)
        await queue.settled()
        grant.ended.set_result(None)
        assert await waits.task is None


async def test_a_lease_that_comes_when_its_client_has_gone_is_given_back(open_queue: OpenQueue) -> None:
    async with open_queue(places=1) as queue:
        go_on = threading.Event()
        grants = [await queue.grant(name) for name in "ab"]
        busy = asyncio.ensure_future(queue.thread.call(go_on.wait))
        goes, stays = [queue.connect(grant) for grant in grants]
        await asyncio.sleep(0.01)
        goes.gone.set_result(None)
        assert await goes.task is None
        go_on.set()
        await busy
        await stays.admitted()
        assert ends_of_leases(queue.folder) == ["settled", None]


async def test_after_the_cut_of_a_test_those_of_it_that_wait_are_refused_and_nobody_queues_for_it(
    open_queue: OpenQueue,
) -> None:
    async with open_queue(places=1) as queue:
        grant = await queue.grant("a")
        lease = await queue.connect(grant).admitted()
        waits = queue.connect(grant)
        await queue.settled()
        grant.spent.set_result(lease.overrun("cut", "time"))
        with pytest.raises(BudgetRefused) as refused:
            await waits.task
        assert (refused.value.overrun.kind, refused.value.overrun.scope) == ("refused", "test")
        with pytest.raises(BudgetRefused):
            await queue.connect(grant).task
        queue.admission.give_back(lease)
        await queue.connect(await queue.grant("b")).admitted()


async def test_a_client_that_would_have_all_sessions_of_its_test_cut_is_refused(open_queue: OpenQueue) -> None:
    """Its share would be its close margin: 3 s among 12 are 250 ms."""
    async with open_queue(places=99) as queue:
        grant = await queue.grant("a", budget_ms=3000)
        for _ in range(11):
            await queue.connect(grant).admitted()
        with pytest.raises(BudgetRefused):
            await queue.connect(grant).task
        await queue.connect(await queue.grant("b")).admitted()


async def test_a_ledger_that_has_failed_admits_nobody(open_queue: OpenQueue) -> None:
    def breaks() -> None:
        raise LedgerError("broken")

    async with open_queue() as queue:
        grant = await queue.grant("a")
        queue.thread.enqueue(breaks)
        await queue.settled()
        with pytest.raises(LedgerError, match="broken"):
            await queue.connect(grant).task
