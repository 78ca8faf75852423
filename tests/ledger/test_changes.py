"""Who waits is told when something may have become free, and nothing else waits for that."""

from __future__ import annotations

import threading
from pathlib import Path

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.changes import Changes
from pytest_dgbudget.ledger.sqlite import SqliteWatch
from tests.support.ledger import leased, open_ledger


class Told:
    """Counts the calls, and waits for the next one."""

    def __init__(self) -> None:
        self._calls = threading.Semaphore(0)

    def __call__(self) -> None:
        self._calls.release()

    def soon(self) -> bool:
        return self._calls.acquire(timeout=20)

    def never(self, seconds: float) -> bool:
        return not self._calls.acquire(timeout=seconds)


def test_who_watches_a_file_is_told_that_another_has_settled_a_lease(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db")
    lease = leased(ledger, ledger.begin_attempt("t", "", 10_000))
    told, changes = Told(), Changes(lambda: SqliteWatch(tmp_path / "ledger.db"))
    changes.start(told)
    assert told.soon()
    assert told.never(0.15)
    ledger.settle(lease, 1)
    assert told.soon()
    changes.stop()
    ledger.close()


def test_a_watch_that_is_lost_is_opened_again_and_tells_what_may_have_been_missed() -> None:
    class Lost:
        def has_changed(self, seconds: float) -> bool:
            raise LedgerError("the server is gone")

        def close(self) -> None:
            pass

    told, changes = Told(), Changes(Lost)
    changes.start(told)
    assert told.soon()
    assert told.soon()
    changes.stop()
    assert told.never(0)


def test_who_stops_before_the_ledger_can_be_reached_does_not_wait_for_it() -> None:
    def fail() -> SqliteWatch:
        raise LedgerError("unreachable")

    told, changes = Told(), Changes(fail)
    changes.start(told)
    changes.stop()
    assert told.never(0)
