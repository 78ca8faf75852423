"""Leases open before a dial and settle after the last session, with nothing around them but a ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.leases import BudgetRefused, Leases
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.session_terms import SessionTerms
from pytest_dgbudget.gateway.sessions import Cut, MeteredSession
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import UsageRecord
from tests.gateway.conversations import terms_fields
from tests.gateway.memory import ManualClock
from tests.support.gateway import asked
from tests.support.ledger import HIGHEST_PRICE, open_ledger

RUN_MS, TEST_MS = 60_000, 40_000

pytestmark = pytest.mark.asyncio


class Bank:
    """Leases on a ledger of their own."""

    def __init__(self, ledger: Ledger, thread: LedgerThread) -> None:
        self._ledger = ledger
        self._thread = thread
        self._thread.attach(ledger)
        self.clock, self.events = ManualClock(), Events()
        self.leases = Leases(ledger, thread, self.clock, self.events, HIGHEST_PRICE)
        self.first_dials: dict[OpenLease, str] = {}

    async def grant(self, name: str) -> Grant:
        attempt = await self._thread.call(self._ledger.begin_attempt, name, "", TEST_MS)
        return Grant(attempt, asked(name, budget_ms=TEST_MS))

    async def facts(self) -> RunFacts:
        """Return what the ledger has, once everything is written."""
        await self._thread.written()
        return await self._thread.call(self._ledger.facts)

    async def session(self, lease: OpenLease) -> MeteredSession:
        """Meter a session of a lease that fails to open as soon as it is closed."""
        dial = await self.dial(lease)
        terms = SessionTerms(id=dial, attempt="a1", service=DeepgramAgent(), tag="tag", idle_ms=None, **terms_fields())
        session = MeteredSession(
            terms,
            self.clock,
            self.events,
            welcomed=_never_welcomed,
            funds=lease,
            ended=partial(self._session_ended, lease),
        )
        lease.grant.open_sessions.append(session)
        lease.opened(session)
        return session

    async def opened(self, grant: Grant) -> OpenLease:
        """Open a lease; its first dial is that of the first session."""
        answer = await self.leases.open(grant, None, new_id())
        assert not isinstance(answer, Queued)
        lease, self.first_dials[lease] = answer[0], answer[1]
        return lease

    async def dial(self, lease: OpenLease) -> str:
        if lease in self.first_dials:
            return self.first_dials.pop(lease)
        answer = await self.leases.dial(lease, None, new_id())
        assert not isinstance(answer, Queued)
        return answer[1]

    def _session_ended(self, lease: OpenLease, session: MeteredSession, record: UsageRecord) -> None:
        self.leases.session_ended(lease, session, record)
        self.leases.release(lease)

    async def close(self) -> None:
        await self._thread.close()


def _never_welcomed(session: MeteredSession, request_id: str) -> None:
    raise AssertionError(f"{request_id} opened")


def _never_failed(error: Exception) -> None:
    raise AssertionError(f"the ledger failed: {error}")


@pytest_asyncio.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    thread = LedgerThread(_never_failed)
    ledger = await thread.call(partial(open_ledger, tmp_path / "ledger.db", budget_ms=RUN_MS))
    bank = Bank(ledger, thread)
    yield bank
    await bank.close()


async def end(session: MeteredSession) -> None:
    """Close a session that is being dialled, as the end of its test does."""
    session.close("teardown", Close(4410, "the test is over"))
    with pytest.raises(Cut, match=r"teardown|test-budget"):
        await session.dial(asyncio.get_running_loop().create_future())


async def test_a_lease_sets_the_tests_budget_aside_and_records_the_first_dial(bank: Bank) -> None:
    grant = await bank.grant("test_a")
    lease = await bank.opened(grant)
    assert grant.lease is lease
    assert lease.lease.allowance_ms == TEST_MS
    facts = await bank.facts()
    assert [session.id for session in facts.sessions] == [bank.first_dials[lease]]
    assert [each.how for each in facts.leases] == [None]


async def test_the_first_session_takes_the_recorded_dial_and_the_next_one_its_own(bank: Bank) -> None:
    lease = await bank.opened(await bank.grant("test_a"))
    recorded = bank.first_dials[lease]
    first, second = await bank.session(lease), await bank.session(lease)
    assert first.id == recorded
    assert second.id != recorded
    assert {session.id for session in (await bank.facts()).sessions} == {first.id, second.id}


async def test_a_test_waits_while_others_hold_the_rest_of_the_budget(bank: Bank) -> None:
    first, second = await bank.grant("test_a"), await bank.grant("test_b")
    session = await bank.session(await bank.opened(first))
    assert await bank.leases.open(second, None, "waiter") == Queued("run", None)
    await end(session)
    assert (await bank.opened(second)).lease.allowance_ms == TEST_MS


async def test_the_last_session_settles_its_lease_with_what_was_metered(bank: Bank) -> None:
    grant = await bank.grant("test_a")
    lease = await bank.opened(grant)
    one, other = await bank.session(lease), await bank.session(lease)
    bank.clock.advance(700)
    await end(one)
    bank.clock.advance(300)
    assert (await bank.facts()).leases[0].how is None, "another session is open"
    await end(other)
    settled = (await bank.facts()).leases[0]
    assert (settled.how, settled.ended_ms) == ("settled", 700 + 1000)
    assert grant.lease is None
    assert grant.settled_ms == 700 + 1000
    assert grant.open_sessions == []
    assert grant.ended_sessions.keys() == {one.id, other.id}


async def test_a_lease_that_is_used_up_closes_its_sessions_and_is_one_overrun(bank: Bank) -> None:
    grant = await bank.grant("test_a")
    lease = await bank.opened(grant)
    sessions = await bank.session(lease), await bank.session(lease)
    bank.clock.advance(TEST_MS // 2)
    assert [overrun.kind for overrun in grant.overruns.all] == ["cut"], "two sessions use it twice as fast"
    for session in sessions:
        with pytest.raises(Cut, match="test-budget"):
            await session.dial(asyncio.get_running_loop().create_future())
    assert grant.lease is None


async def test_what_is_used_beyond_a_lease_that_no_cut_ended_in_time_is_an_overrun(bank: Bank) -> None:
    grant = await bank.grant("test_a")
    lease = await bank.opened(grant)
    session = await bank.session(lease)
    session.close("client", Close(1000, ""))
    bank.clock.advance(TEST_MS + 1)
    with pytest.raises(Cut, match="client"):
        await session.dial(asyncio.get_running_loop().create_future())
    assert [(overrun.kind, overrun.used - overrun.allowed) for overrun in grant.overruns.all] == [("exceeded", 1)]
    assert grant.spent.done()


async def test_a_session_that_comes_after_the_cut_is_never_dialled(bank: Bank) -> None:
    lease = await bank.opened(await bank.grant("test_a"))
    first = await bank.session(lease)
    bank.clock.advance(TEST_MS - 250)
    late = await bank.session(lease)
    dialling: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()
    with pytest.raises(Cut, match="test-budget"):
        await late.dial(dialling)
    assert dialling.cancelled()
    await end(first)


async def test_a_cut_spends_what_is_left_of_the_tests_budget_for_its_later_attempts_too(bank: Bank) -> None:
    """Twenty sessions at once leave twenty times the margin of one."""
    grant = await bank.grant("test_a")
    lease = await bank.opened(grant)
    sessions = [await bank.session(lease) for _ in range(20)]
    bank.clock.advance(TEST_MS // 20 - 250)
    for session in sessions:
        await end(session)
    assert TEST_MS - grant.settled_ms > 1000, "enough for a session"
    rerun = await bank.grant("test_a")
    assert rerun.attempt.left_ms == 0
    for attempt in (grant, rerun):
        with pytest.raises(BudgetRefused):
            await bank.leases.open(attempt, None, "waiter")
    await bank.opened(await bank.grant("test_b"))


async def test_a_lease_whose_client_left_before_the_dial_costs_nothing(bank: Bank) -> None:
    lease = await bank.opened(await bank.grant("test_a"))
    bank.leases.never_dialled(bank.first_dials[lease], "client")
    bank.leases.release(lease)
    facts = await bank.facts()
    assert [(each.how, each.ended_ms) for each in facts.leases] == [("settled", 0)]
    assert [(session.ms, session.closed_by) for session in facts.sessions] == [(0, "client")]


async def test_a_session_is_refused_once_the_budget_is_spent(bank: Bank) -> None:
    grant = await bank.grant("test_a")
    lease = await bank.opened(grant)
    session = await bank.session(lease)
    bank.clock.advance(TEST_MS)
    await end(session)
    with pytest.raises(BudgetRefused) as refused:
        await bank.leases.open(grant, None, "waiter")
    assert refused.value.overrun.scope == "test"
    assert refused.value.overrun.used == TEST_MS
