"""A ledger on a server that can't be reached for a while: what was used is kept until it can be settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.leases import Leases
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.ledger.connection import LedgerUnreachable
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.model import Bypass, Overrun
from tests.gateway.memory import ManualClock
from tests.ledger.test_postgres import lose_after_commit
from tests.support.gateway import asked
from tests.support.ledger import HIGHEST_PRICE, leased, open_ledger, sums, usage
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.asyncio


class OnServer:
    """A ledger on its thread, whose server can be out of reach; ``connects`` counts what was tried meanwhile."""

    def __init__(self, server: PostgresServer, patch: pytest.MonkeyPatch) -> None:
        self._server, self._patch = server, patch
        self.url = server.new_ledger()
        self.failures: list[LedgerError] = []
        self.connects = 0
        self.thread = LedgerThread(self.failures.append)

    async def open(self) -> None:
        self.ledger = await self.thread.call(open_ledger, self.url)
        self.thread.attach(self.ledger)

    async def go_out_of_reach(self) -> None:
        import psycopg

        def refuse(*_: Any, **__: Any) -> None:
            self.connects += 1
            raise psycopg.OperationalError("connection refused")

        await asyncio.to_thread(self._server.cut_connections)
        self._patch.setattr(psycopg, "connect", refuse)

    def come_back(self) -> None:
        self._patch.undo()

    def count(self, table: str) -> int:
        ((count,),) = self._server.execute(f"SELECT count(*) FROM {table}", self.url)
        return int(count)


@pytest_asyncio.fixture
async def on_server(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OnServer]:
    with monkeypatch.context() as patch:
        opened = OnServer(postgres, patch)
        await opened.open()
        yield opened
        await opened.thread.close()


async def test_what_was_used_while_there_was_no_connection_is_settled_when_there_is_one(on_server: OnServer) -> None:
    thread, ledger = on_server.thread, on_server.ledger
    attempt = await thread.call(ledger.begin_attempt, "t", "", 10_000)
    lease = await thread.call(leased, ledger, attempt)
    dial = await thread.call(ledger.record_dial, lease)
    await on_server.go_out_of_reach()
    thread.enqueue(ledger.record_usage, usage(dial, 1234))
    thread.enqueue(ledger.settle, lease, 1234)
    with pytest.raises(LedgerUnreachable, match="can't be reached"):
        await thread.call(ledger.begin_attempt, "other", "", 10_000)
    on_server.come_back()
    await thread.caught_up(20)
    assert await thread.call(sums, ledger, attempt) == {"test": (1234, 0), "run": (1234, 0)}
    assert await thread.call(leased, ledger, attempt)
    assert on_server.failures == []


async def test_what_is_asked_first_after_a_loss_knows_what_was_used_before_it(on_server: OnServer) -> None:
    thread, ledger = on_server.thread, on_server.ledger
    attempt = await thread.call(ledger.begin_attempt, "t", "", 10_000)
    lease = await thread.call(leased, ledger, attempt)
    await on_server.go_out_of_reach()
    thread.enqueue(ledger.settle, lease, 1234)
    await thread.written()
    on_server.come_back()
    answer: dict[str, tuple[int, int]] = {}
    while not answer:
        with suppress(LedgerUnreachable):
            answer = await thread.call(sums, ledger, attempt)
    assert answer["run"] == (1234, 0)


async def test_a_server_that_stays_away_is_tried_now_and_then_and_holds_up_nobody(on_server: OnServer) -> None:
    thread, ledger = on_server.thread, on_server.ledger
    attempt = await thread.call(ledger.begin_attempt, "t", "", 10_000)
    await on_server.go_out_of_reach()
    began = time.monotonic()
    for _ in range(20):
        thread.enqueue(ledger.record_outcome, attempt.id, "passed")
    await thread.caught_up(0.5)
    await thread.close()
    assert 0.5 <= time.monotonic() - began < 10
    assert 1 <= on_server.connects < 15
    on_server.thread = LedgerThread(on_server.failures.append)
    on_server.come_back()
    assert (on_server.failures, on_server.count("outcome")) == ([], 0)


async def test_a_note_whose_commit_was_not_answered_is_there_once(
    on_server: OnServer, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, ledger = on_server.thread, on_server.ledger
    attempt = await thread.call(ledger.begin_attempt, "t", "", 10_000)
    refusal = Overrun(kind="refused", scope="run", used=1, allowed=2)
    bypass = Bypass(host="agent.deepgram.com", path="/", how="refused", program="app")
    with monkeypatch.context() as patch:
        lose_after_commit(ledger._db, postgres, patch)
        thread.enqueue(ledger.record_wait, new_id(), attempt, 1500, "run")
        thread.enqueue(ledger.record_refusal, new_id(), attempt, refusal, tolerated=False)
        thread.enqueue(ledger.record_bypass, new_id(), attempt.id, bypass)
        await thread.written()
    await thread.caught_up(20)
    await thread.written()
    assert {table: on_server.count(table) for table in ("wait", "refusal", "bypass")} == {
        "wait": 1,
        "refusal": 1,
        "bypass": 1,
    }
    assert on_server.failures == []


async def test_a_lease_whose_commit_was_not_answered_keeps_nobody_waiting(
    on_server: OnServer, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, ledger = on_server.thread, on_server.ledger
    leases = Leases(ledger, thread, ManualClock(), Events(), HIGHEST_PRICE)
    grants = [
        Grant(await thread.call(ledger.begin_attempt, name, "", 60_000), asked(name, budget_ms=60_000))
        for name in ("unheard", "next")
    ]
    with monkeypatch.context() as patch:
        lose_after_commit(ledger._db, postgres, patch)
        with pytest.raises(LedgerUnreachable):
            await leases.open(grants[0], None, new_id())
    answer = None
    while answer is None:
        with suppress(LedgerUnreachable):
            answer = await leases.open(grants[1], None, new_id())
    assert isinstance(answer, tuple)
    assert on_server.count("lease_end") == 1
    facts = await thread.call(ledger.facts)
    assert [session.closed_by for session in facts.sessions] == ["network", None]
