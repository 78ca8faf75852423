"""The ledger's thread: calls run in turn, notes are written together, and a ledger that fails once has failed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.ledger.connection import LedgerNotWritable
from pytest_dgbudget.ledger.ledger import Ledger
from tests.support.ledger import open_ledger, rows_of

pytestmark = pytest.mark.asyncio


class Opened:
    """A ledger on its thread, and what that thread has reported."""

    def __init__(self, folder: Path) -> None:
        self.failures: list[LedgerError] = []
        self.thread = LedgerThread(self.failures.append)
        self.folder = folder

    async def open(self) -> Ledger:
        self.ledger = await self.thread.call(open_ledger, self.folder / ".dgbudget/ledger.db")
        self.thread.attach(self.ledger)
        return self.ledger

    async def outcomes(self) -> list[str]:
        """What the ledger holds once all that was handed over has run."""
        await self.thread.written()
        await asyncio.sleep(0)
        return [outcome for (outcome,) in rows_of(self.folder, "SELECT outcome FROM outcome ORDER BY rowid")]

    async def close(self) -> None:
        await self.thread.call(self.ledger.close)
        self.thread.close()


@pytest_asyncio.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    opened = Opened(tmp_path)
    await opened.open()
    yield opened
    await opened.close()


def breaks(error: Exception) -> None:
    raise error


async def test_calls_run_on_a_thread_of_their_own_in_the_order_in_which_they_came(opened: Opened) -> None:
    ran: list[int] = []

    def call(number: int) -> str:
        ran.append(number)
        return threading.current_thread().name

    names = await asyncio.gather(*(opened.thread.call(call, number) for number in range(20)))
    assert ran == list(range(20))
    assert len(set(names)) == 1
    assert names[0] != threading.current_thread().name


async def test_notes_are_written_in_their_order(opened: Opened) -> None:
    attempt = await opened.thread.call(opened.ledger.begin_attempt, "test_it.py::test_it", "", None)
    opened.thread.enqueue(opened.ledger.record_outcome, attempt.id, "rerun")
    opened.thread.enqueue(opened.ledger.record_outcome, attempt.id, "passed")
    assert await opened.outcomes() == ["rerun", "passed"]
    assert opened.failures == []


async def test_notes_that_wait_are_one_transaction(opened: Opened) -> None:
    attempt = await opened.thread.call(opened.ledger.begin_attempt, "test_it.py::test_it", "", None)
    go_on = threading.Event()
    busy = asyncio.ensure_future(opened.thread.call(go_on.wait))
    await asyncio.sleep(0)
    opened.thread.enqueue(opened.ledger.record_outcome, attempt.id, "passed")
    opened.thread.enqueue(breaks, LedgerError("broken"))
    go_on.set()
    await busy
    assert await opened.outcomes() == []


async def test_a_note_that_fails_is_reported_once_and_nothing_is_written_after_it(opened: Opened) -> None:
    attempt = await opened.thread.call(opened.ledger.begin_attempt, "test_it.py::test_it", "", None)
    error = LedgerError("broken")
    for note in (breaks, breaks):
        opened.thread.enqueue(note, error)
        await opened.outcomes()
    opened.thread.enqueue(opened.ledger.record_outcome, attempt.id, "passed")
    assert await opened.outcomes() == []
    assert opened.failures == [error]
    assert opened.thread.error is error


async def test_a_note_that_fails_by_a_mistake_of_ours_fails_the_ledger_as_well(opened: Opened) -> None:
    opened.thread.enqueue(breaks, ValueError("a mistake"))
    await opened.outcomes()
    assert [str(error) for error in opened.failures] == ["the ledger failed: ValueError('a mistake')"]


async def test_a_call_that_fails_is_its_callers_own_affair(opened: Opened) -> None:
    with pytest.raises(LedgerError, match="busy"):
        await opened.thread.call(breaks, LedgerError("busy"))
    assert opened.failures == []


async def test_where_a_call_can_not_write_the_ledger_has_failed(opened: Opened) -> None:
    for _ in range(2):
        with pytest.raises(LedgerNotWritable):
            await opened.thread.call(breaks, LedgerNotWritable("full"))
    assert [str(error) for error in opened.failures] == ["full"]


async def test_a_ledger_that_could_not_be_opened_has_not_failed_another_may_serve(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    with pytest.raises(LedgerNotWritable):
        await opened.thread.call(breaks, LedgerNotWritable("no folder"))
    assert opened.thread.error is None
    await opened.open()
    assert opened.failures == []
    await opened.close()
