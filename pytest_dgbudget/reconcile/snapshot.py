"""Reading a run's part of the statement, again and again: each time a snapshot of what is known by then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, TypeVar

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.reconcile.task import ReconciliationTask
from pytest_dgbudget.rules.comparison import Ours, OwnSession, VendorRow
from pytest_dgbudget.rules.reconciliation_verdict import (
    Reconciliation,
    cost_of_rows,
    judge,
    may_change,
    unsettled_ids,
)
from pytest_dgbudget.rules.statement import ReadFailure, Reading, StatementSnapshot

if TYPE_CHECKING:
    from pytest_dgbudget.deepgram.management import ManagementApi

T = TypeVar("T")

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0

# How far the vendor's clock and ours may be apart.
_CLOCK_SKEW = timedelta(minutes=5)
# The list's share of the time that is left: our own requests can still be looked up one by one.
_SHARE_OF_THE_LIST = 0.5


def reconcile(
    task: ReconciliationTask, api: ManagementApi, timeout: Timeout, report: Callable[[Reconciliation], None]
) -> None:
    """Read until nothing is left to wait for or the time is up. ``report`` gets every result; the last one counts."""
    sessions = task.sessions()
    reader = StatementReader(sessions, task.ours, task.started_at, api, timeout)
    for longest_pause in _pauses():
        snapshot = reader.read()
        result = judge(sessions, snapshot, task.ours, task.terms_at(snapshot.taken_at_ms))
        report(result)
        # The last reading is to come near the end, and not where the next pause no longer fits.
        pause = min(longest_pause, max(_FIRST_PAUSE_SECONDS, timeout.left() / 2))
        if not may_change(sessions, snapshot, result) or not timeout.pause(pause):
            return


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


class StatementReader:
    """Reads what may have changed and keeps what it has read. ``started_at``: when the first session was dialled."""

    def __init__(
        self, sessions: Sequence[OwnSession], ours: Ours, started_at: datetime, api: ManagementApi, timeout: Timeout
    ) -> None:
        self._sessions = sessions
        self._ours = ours
        self._started_at = started_at
        self._api = api
        self._timeout = timeout
        self._rows: dict[str, set[VendorRow]] = {}
        self._listing: Reading[bool] = Reading()
        self._lookups: Reading[None] = Reading()
        self._hours: Reading[int] = Reading()
        self._dollars: Reading[int] = Reading()

    def read(self) -> StatementSnapshot:
        """Read everything that may have changed; what can't be read is in the snapshot, with the reason."""
        self._listing = _reread(self._listing, self._read_list)
        if self._api.project is not None:
            self._lookups = _reread(self._lookups, self._look_up)
            self._hours = _reread(self._hours, lambda: self._api.agent_time(*self._days()))
            if cost_of_rows(self._sessions, self._known_rows(), self._ours) is not None:
                self._dollars = _reread(self._dollars, lambda: self._api.dollars(*self._days()))
        return self._snapshot()

    def _snapshot(self) -> StatementSnapshot:
        return StatementSnapshot(
            taken_at_ms=_now_ms(),
            project=self._api.project,
            rows=self._known_rows(),
            listing=self._listing,
            lookups=self._lookups,
            hours=self._hours,
            dollars=self._dollars,
        )

    def _known_rows(self) -> frozenset[VendorRow]:
        return frozenset(row for rows in self._rows.values() for row in rows)

    def _read_list(self) -> bool:
        """Read every request of the run's time: only the list has what is under our tag and not ours.

        Return False once it is known to be too long.
        """
        self._api.find_project()
        if self._listing.value is False:
            return False
        timeout = self._timeout.part(_SHARE_OF_THE_LIST)
        read: dict[str, set[VendorRow]] = {}
        begun = False
        period = (self._started_at - _CLOCK_SKEW, datetime.now(timezone.utc) + _CLOCK_SKEW)
        try:
            for rows in self._api.requests(*period, timeout):
                begun = begun or bool(rows)
                for row in rows:
                    read.setdefault(row.request_id, set()).add(row)
                if not timeout.left():
                    return False
        except ReconciliationError:
            # Pages came, and then the time was over: there are too many of them.
            if begun and not timeout.left():
                return False
            raise
        finally:
            self._rows.update(read)
        return True

    def _look_up(self) -> None:
        """Ask for each of ours that the list lacks; where the list was not read, for each that has not settled."""
        listed_whole = self._snapshot().is_listed_whole
        for request_id in unsettled_ids(self._sessions, self._known_rows()):
            if not (listed_whole and request_id in self._rows):
                row = self._api.request(request_id)
                if row is not None:
                    self._rows[request_id] = {row}

    def _days(self) -> tuple[str, str]:
        """The run's days in UTC, and one more: whether a period includes its last day is not documented."""
        last = datetime.now(timezone.utc) + timedelta(days=1)
        return self._started_at.date().isoformat(), last.date().isoformat()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _reread(before: Reading[T], read: Callable[[], T]) -> Reading[T]:
    """Read; a temporary failure takes nothing back that was read before."""
    try:
        return Reading(value=read(), read_at_ms=_now_ms())
    except ReconciliationError as error:
        if before.read_at_ms is not None and error.temporary:
            return replace(before, failure=None)
        return replace(before, failure=ReadFailure(reason=str(error), temporary=error.temporary))
