"""The ledger's thread: calls run in turn, notes are written together, and a ledger that fails once has failed."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.ledger import sqlite
from pytest_dgbudget.ledger.connection import LedgerLocked, LedgerNotWritable
from pytest_dgbudget.ledger.ledger import Ledger
from tests.support.ledger import locked, open_ledger, rows_of

pytestmark = pytest.mark.asyncio


class Opened:
    """A ledger on its thread, and what that thread has reported."""

    def __init__(self, folder: Path) -> None:
        self.failures: list[LedgerError] = []
        self.thread = LedgerThread(self.failures.append)
        self.folder = folder

    async def open(self) -> Ledger:
        self.ledger = await self.thread.call(open_ledger, self.path)
        self.thread.attach(self.ledger)
        return self.ledger

    @property
    def path(self) -> Path:
        return self.folder / ".dgbudget/ledger.db"

    async def outcomes(self) -> list[str]:
        """What the ledger holds once all that was handed over has run."""
        await self.thread.written()
        await asyncio.sleep(0)
        return [outcome for (outcome,) in rows_of(self.folder, "SELECT outcome FROM outcome ORDER BY rowid")]

    async def close(self) -> None:
        await self.thread.close()


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


@pytest.fixture
def waits_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever holds the ledger."""
    monkeypatch.setattr(sqlite, "WAIT_SECONDS", 1)
    monkeypatch.setattr(sqlite, "_SHORTEST_WAIT_SECONDS", 0.01)


@pytest.mark.usefixtures("waits_a_second")
async def test_a_call_that_another_process_holds_up_says_which_ledger_and_how_long_it_waited(opened: Opened) -> None:
    with locked(opened.path), pytest.raises(LedgerLocked) as error:
        await opened.thread.call(opened.ledger.begin_attempt, "test_it.py::test_it", "", None)
    assert str(error.value).startswith(
        f"the ledger {opened.path} is locked by another process, which did not release it within 1 s"
    )
    assert opened.failures == []


@pytest.mark.usefixtures("waits_a_second")
async def test_who_asks_at_once_waits_for_another_process_at_once(opened: Opened) -> None:
    """One after the other, twenty owners would wait twenty times as long as one."""
    begin = time.monotonic()
    with locked(opened.path):
        asked = (opened.thread.call(opened.ledger.begin_attempt, f"test_{n}", "", None) for n in range(20))
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert time.monotonic() - begin < 10
    assert {type(answer) for answer in answers} == {LedgerLocked}
    assert all(re.search(r"within \d s", str(answer)) for answer in answers)


@pytest.mark.usefixtures("waits_a_second")
async def test_what_another_process_keeps_from_being_written_is_written_later(opened: Opened) -> None:
    attempt = await opened.thread.call(opened.ledger.begin_attempt, "test_it.py::test_it", "", None)
    with locked(opened.path):
        opened.thread.enqueue(opened.ledger.record_outcome, attempt.id, "rerun")
        opened.thread.enqueue(opened.ledger.record_outcome, attempt.id, "passed")
        begin = time.monotonic()
        assert await opened.outcomes() == []
        assert 0.9 < time.monotonic() - begin < 10
    while not await opened.outcomes():
        pass
    assert await opened.outcomes() == ["rerun", "passed"]
    assert opened.failures == []


@pytest.mark.usefixtures("waits_a_second")
async def test_a_ledger_closes_although_something_is_still_kept_from_being_written(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    await opened.open()
    attempt = await opened.thread.call(opened.ledger.begin_attempt, "test_it.py::test_it", "", None)
    with locked(opened.path):
        opened.thread.enqueue(opened.ledger.record_outcome, attempt.id, "passed")
        await opened.close()
    assert rows_of(tmp_path, "SELECT outcome FROM outcome") == []
    assert opened.failures == []
