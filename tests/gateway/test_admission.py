"""The queue: places and leases, first come first served, and nothing is kept for who has left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pytest_asyncio

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.admission import Admission, Waiter
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.leases import BudgetRefused, Leases
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.ledger.changes import Changes
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from tests.gateway.memory import ManualClock
from tests.support.gateway import asked
from tests.support.ledger import HIGHEST_PRICE, changes_of, ends_of_leases, open_ledger, rows_of, usage
from tests.support.processes import wait_until

pytestmark = pytest.mark.asyncio

MINUTE_MS = 60_000


class Connecting:
    """One client's way through the queue; ``gone`` is its connection."""

    def __init__(self, admission: Admission, grant: Grant) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiter = Waiter(grant)
        self.task = asyncio.ensure_future(admission.admit(self.waiter, self.gone))

    async def admitted(self) -> OpenLease:
        admitted = await self.task
        assert admitted is not None
        return admitted.lease


def had_to_wait(waiter: Waiter) -> bool:
    return waiter.given_up() is not None


class Queue:
    """A queue before a ledger, of two minutes unless said otherwise."""

    def __init__(self, folder: Path, places: int, budget_ms: int, **fields: Any) -> None:
        self.folder = folder
        self._places, self._fields = places, {"budget_ms": budget_ms, **fields}
        self.thread = LedgerThread(lambda error: None)

    async def __aenter__(self) -> Queue:
        path = self.folder / ".dgbudget/ledger.db"
        self.ledger = await self.thread.call(partial(open_ledger, path, **self._fields))
        self.thread.attach(self.ledger)
        leases = Leases(self.ledger, self.thread, ManualClock(), Events(), HIGHEST_PRICE)
        self.admission = Admission(leases, self.thread, self._places, changes_of(path))
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
    def queue(places: int = 9, budget_ms: int = 2 * MINUTE_MS, **fields: Any) -> Queue:
        return Queue(tmp_path, places, budget_ms, **fields)

    yield queue


async def test_who_comes_first_is_served_first_and_one_by_one(open_queue: OpenQueue) -> None:
    async with open_queue(places=1, budget_ms=9 * MINUTE_MS) as queue:
        clients = [queue.connect(await queue.grant(name)) for name in "abc"]
        for number, client in enumerate(clients):
            lease = await client.admitted()
            await queue.settled()
            assert [other.task.done() for other in clients[number + 1 :]] == [False] * (2 - number)
            queue.admission.give_back(lease)
        assert [had_to_wait(client.waiter) for client in clients] == [False, True, True]


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
        assert (second.task.done(), had_to_wait(second.waiter)) == (False, True)
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


async def test_an_error_that_must_not_happen_is_the_answer_and_the_next_is_served(
    open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_queue() as queue:
        grants = [await queue.grant(name) for name in "ab"]
        with monkeypatch.context() as broken:
            broken.setattr(Leases, "open", _broken)
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(queue.connect(grants[0]).task, 10)
        await asyncio.wait_for(queue.connect(grants[1]).admitted(), 10)


async def test_an_error_that_must_not_happen_is_logged_where_nobody_hears_it(
    open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its client has gone meanwhile, so that the connect is over when the error comes."""
    async with open_queue() as queue:
        grants = [await queue.grant(name) for name in "ab"]
        with monkeypatch.context() as broken:
            broken.setattr(Leases, "open", _broken)
            goes = queue.connect(grants[0])
            await asyncio.sleep(0)
            goes.gone.set_result(None)
            assert await asyncio.wait_for(goes.task, 10) is None
            await queue.settled()
        await asyncio.wait_for(queue.connect(grants[1]).admitted(), 10)
    assert "ZeroDivisionError" in capsys.readouterr().err


async def _broken(self: Leases, *_: object) -> None:
    await asyncio.sleep(0.01)
    raise ZeroDivisionError


async def test_the_end_of_its_test_ends_the_waiting(open_queue: OpenQueue) -> None:
    async with open_queue(places=0) as queue:
        grant = await queue.grant("a")
        waits = queue.connect(grant)
        await queue.settled()
        grant.ended.set_result("teardown")
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


@pytest.mark.parametrize(
    ("ends", "closed_by", "allowed"),
    [
        (["client"], "client", None),
        (["client", "teardown"], "client", None),
        (["teardown"], "teardown", None),
        (["owner-lost", "client"], "owner-lost", None),
        (["cut", "teardown"], "test-budget", MINUTE_MS),
    ],
)
async def test_a_dial_that_is_recorded_too_late_says_what_came_first(
    open_queue: OpenQueue, ends: list[Any], closed_by: str, allowed: int | None
) -> None:
    async with open_queue() as queue:
        go_on = threading.Event()
        grant = await queue.grant("a")
        lease = await queue.connect(grant).admitted()
        busy = asyncio.ensure_future(queue.thread.call(go_on.wait))
        late = queue.connect(grant)
        while lease.holders == 1:  # noqa: ASYNC110 - until the ledger is asked
            await asyncio.sleep(0)
        for end in ends:
            if end == "cut":
                grant.spent.set_result(lease.overrun("cut", "time"))
            elif end == "client":
                late.gone.set_result(None)
            else:
                grant.ended.set_result(end)
            await asyncio.wait([late.task])
        go_on.set()
        await busy
        await queue.settled()
        assert rows_of(queue.folder, "SELECT closed_by, cut_allowed, ms FROM usage") == [(closed_by, allowed, 0)]


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


# With others --------------------------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger as the gateway of another run has it: both share one place."""
    with closing(open_ledger(tmp_path / ".dgbudget/ledger.db", run="other", id="other", **SHARED)) as ledger:
        yield ledger


SHARED: dict[str, Any] = {"billed": True, "shared": SharedBudgets(sessions=1), "live": {"run", "other"}}


def take_the_place(ledger: Ledger, nodeid: str = "t") -> Callable[[], None]:
    """Have a session of another gateway be dialled; return what ends it."""
    taken = ledger.lease_to_dial(ledger.begin_attempt(nodeid, "", MINUTE_MS))
    assert isinstance(taken, tuple)
    lease, dial = taken

    def end() -> None:
        ledger.record_usage(usage(dial, 0))
        ledger.settle(lease, 0)

    return end


def is_watched() -> bool:
    return any(thread.name == "ledger-changes" for thread in threading.enumerate())


async def test_what_another_run_frees_is_noticed_and_nothing_is_watched_before_and_after(
    open_queue: OpenQueue, other: Ledger
) -> None:
    end = take_the_place(other)
    async with open_queue(**SHARED) as queue:
        assert not is_watched()
        client = queue.connect(await queue.grant("a"))
        await queue.settled()
        assert (client.task.done(), had_to_wait(client.waiter), is_watched()) == (False, True, True)
        end()
        await asyncio.wait_for(client.admitted(), 10)
        assert set(client.waiter.waited()) == {"project-place"}
        await asyncio.to_thread(wait_until, lambda: not is_watched())


async def test_while_nobody_is_told_of_a_change_the_queue_looks_by_itself(open_queue: OpenQueue, other: Ledger) -> None:
    """A gateway that is killed changes nothing in the ledger."""
    end = take_the_place(other)
    with patch.object(Changes, "start", lambda self, callback: None):
        async with open_queue(**SHARED) as queue:
            client = queue.connect(await queue.grant("a"))
            await queue.settled()
            assert had_to_wait(client.waiter)
            end()
            await asyncio.wait_for(client.admitted(), 10)


async def test_where_no_thread_can_be_started_the_queue_goes_on(open_queue: OpenQueue, other: Ledger) -> None:
    end = take_the_place(other)
    start = threading.Thread.start

    def no_thread(thread: threading.Thread) -> None:
        if thread.name.startswith("ledger-changes"):
            raise RuntimeError("can't start new thread")
        start(thread)

    async with open_queue(**SHARED) as queue:
        with patch.object(threading.Thread, "start", no_thread):
            client = queue.connect(await queue.grant("a"))
            await queue.settled()
            assert had_to_wait(client.waiter)
            end()
            await asyncio.wait_for(client.admitted(), 10)


@pytest.mark.parametrize("ending", ["client", "test", "run"])
async def test_who_leaves_the_queue_keeps_no_other_gateway_waiting(
    open_queue: OpenQueue, other: Ledger, ending: str
) -> None:
    end = take_the_place(other)
    async with open_queue(**SHARED) as queue:
        grant = await queue.grant("a")
        client = queue.connect(grant)
        await queue.settled()
        end()
        if ending == "run":
            queue.admission.stop()
            client.task.cancel()
        else:
            client.gone.set_result(None) if ending == "client" else grant.ended.set_result("teardown")
            assert await client.task is None
        await queue.settled()
        take_the_place(other)


async def test_one_that_holds_a_lease_waits_for_a_place_as_well_and_has_its_own_dial(
    open_queue: OpenQueue, other: Ledger
) -> None:
    async with open_queue(**SHARED) as queue:
        grant = await queue.grant("a")
        first, second = queue.connect(grant), queue.connect(grant)
        lease = await first.admitted()
        await queue.settled()
        assert (second.task.done(), lease.holders) == (False, 1)
        admitted = first.task.result()
        assert admitted is not None
        queue.admission.give_up(first.waiter, admitted)
        again = await asyncio.wait_for(second.admitted(), 10)
        assert again is not lease, "the last one had given it back"
        await queue.settled()
        assert ends_of_leases(queue.folder) == ["settled", None]


async def test_what_a_place_was_waited_for_is_told_apart(open_queue: OpenQueue, other: Ledger) -> None:
    end = take_the_place(other)
    async with open_queue(places=1, **SHARED) as queue:
        first, second = [queue.connect(await queue.grant(name)) for name in "ab"]
        await queue.settled()
        await asyncio.sleep(0.01)
        end()
        lease = await asyncio.wait_for(first.admitted(), 10)
        await queue.settled()
        await asyncio.sleep(0.01)
        queue.admission.give_back(lease)
        second.gone.set_result(None)
        await second.task
        assert set(first.waiter.waited()) == {"project-place"}
        assert {"project-place", "place"} <= set(second.waiter.waited())


@pytest.mark.parametrize(("name", "allowance_ms"), [("a", None), ("b", MINUTE_MS // 2)])
async def test_what_a_lost_gateway_of_the_same_run_holds_is_waited_for_until_its_time_has_passed(
    open_queue: OpenQueue, tmp_path: Path, name: str, allowance_ms: int | None
) -> None:
    """Nobody here gives it back. All of it is charged: of a test's own budget nothing is left."""
    live = {"run"}
    with closing(open_ledger(tmp_path / ".dgbudget/ledger.db")) as lost:
        take_the_place(lost, "a")
    async with open_queue(budget_ms=MINUTE_MS * 3 // 2, live=live) as queue:
        client = queue.connect(await queue.grant(name))
        await queue.settled()
        assert had_to_wait(client.waiter)
        live.clear()
        await asyncio.wait([client.task], timeout=10)
        if allowance_ms is None:
            with pytest.raises(BudgetRefused):
                client.task.result()
        else:
            assert (await client.admitted()).lease.allowance_ms == allowance_ms


async def test_for_a_test_that_is_over_nobody_is_admitted_any_more(
    open_queue: OpenQueue,
) -> None:
    async with open_queue(places=1) as queue:
        waiter = Waiter(await queue.grant("a"))
        assert not waiter.is_over
        waiter.grant.ended.set_result("teardown")
        assert waiter.is_over
