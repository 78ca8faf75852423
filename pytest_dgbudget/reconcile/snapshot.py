"""Reading a run's part of the statement, again and again: each time a snapshot of what is known by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.instants import utc_ms
from pytest_dgbudget.reconcile.task import ReconciliationTask
from pytest_dgbudget.rules.comparison import VendorRow
from pytest_dgbudget.rules.reconciliation_verdict import (
    Reconciliation,
    cost_of_rows,
    judge,
    lacks_something,
    may_change,
    unsettled_ids,
)
from pytest_dgbudget.rules.statement import ReadFailure, Reading, StatementSnapshot
from pytest_dgbudget.rules.statement_lag import StatementLag, next_pause_ms, quiet_ms, why_hopeless

if TYPE_CHECKING:
    from pytest_dgbudget.deepgram.management import ManagementApi

T = TypeVar("T")

# How far the vendor's clock and ours may be apart.
_CLOCK_SKEW = timedelta(minutes=5)
# What is under the run's tag and not ours may begin after our last session; of a run that is read days after it, the
# rest of the list would be other runs'. The hours of the tag have it all.
_AFTERWARDS = timedelta(hours=2)
# The list's share of the time that is left: our own requests can still be looked up one by one.
_SHARE_OF_THE_LIST = 0.5


def reconcile(
    task: ReconciliationTask,
    api: ManagementApi,
    timeout: Timeout,
    report: Callable[[Reconciliation], None],
    earlier_lags: Mapping[str, Sequence[StatementLag]] = MappingProxyType({}),
) -> None:
    """Read until nothing is left to wait for or the time is up. ``report`` gets every result; the last one counts.

    ``earlier_lags``: how long the statement took in earlier runs, by project; ``StatementWait`` says what for.
    """
    comparison, wait = StatementComparison(task, api, timeout), StatementWait(task, timeout, earlier_lags)
    while True:
        result = comparison.read()
        report(result)
        if not comparison.may_change:
            return
        why_not = wait.why_hopeless(result)
        if why_not is not None:
            report(replace(result, reasons=(*result.reasons, why_not)))
            return
        if not wait.pause(result):
            return


class StatementComparison:
    """A run's sessions beside the statement, which is read again and again.

    ``may_change``: another reading can come to another result.
    """

    def __init__(self, task: ReconciliationTask, api: ManagementApi, timeout: Timeout) -> None:
        self._task = task
        self._sessions, self._dials = task.sessions(), task.dials()
        self._reader = StatementReader(task, api, timeout)
        self._lag: StatementLag | None = task.known_lag()
        self.may_change = True

    def read(self) -> Reconciliation:
        snapshot = self._reader.read()
        terms = self._task.terms_at(snapshot.taken_at_ms)
        result = judge(self._sessions, snapshot, self._task.ours, terms, self._dials)
        self.may_change = may_change(self._sessions, snapshot, result)
        self._lag = self._lag_after(snapshot, result)
        return replace(result, lag=None if self._lag == StatementLag() else self._lag)

    def _lag_after(self, snapshot: StatementSnapshot, result: Reconciliation) -> StatementLag | None:
        """What never comes says nothing of how long things take."""
        ended_at_ms = self._task.ended_at_ms
        if self._lag is None or ended_at_ms is None or any(line.kind == "missing-at-vendor" for line in result.lines):
            return None
        lacks = lacks_something(self._sessions, snapshot, result)
        if not lacks and not snapshot.is_read:
            return self._lag
        return self._lag.after_reading(max(0, snapshot.taken_at_ms - ended_at_ms), settled=not lacks)


class StatementWait:
    """The wait for a run's statement, by how long it took in earlier runs of the project.

    There are no readings while it never was complete, and no waiting where it never was complete in time.
    """

    def __init__(
        self, task: ReconciliationTask, timeout: Timeout, earlier_lags: Mapping[str, Sequence[StatementLag]]
    ) -> None:
        self._ended_at_ms = task.ended_at_ms
        self._timeout = timeout
        self._earlier_lags = earlier_lags if self._ended_at_ms is not None else {}
        self._readings = 0

    def why_hopeless(self, result: Reconciliation) -> str | None:
        """Return why the wait is given up after this result; None where it goes on."""
        if result.verdict != "pending":
            return None
        return why_hopeless(self._lags(result), self._since_end_ms() + self._left_ms())

    def pause(self, result: Reconciliation) -> bool:
        """Wait until it is time for the next reading; return False where none is left."""
        quiet_left_ms = quiet_ms(self._lags(result)) - self._since_end_ms()
        pause_ms = next_pause_ms(self._readings, quiet_left_ms, self._left_ms())
        self._readings += quiet_left_ms <= 0
        return self._timeout.pause(pause_ms / 1000)

    def _lags(self, result: Reconciliation) -> Sequence[StatementLag]:
        return self._earlier_lags.get(result.project or "", ())

    def _since_end_ms(self) -> int:
        return 0 if self._ended_at_ms is None else max(0, utc_ms() - self._ended_at_ms)

    def _left_ms(self) -> int:
        return round(self._timeout.left() * 1000)


class StatementReader:
    """Reads what may have changed and keeps what it has read."""

    def __init__(self, task: ReconciliationTask, api: ManagementApi, timeout: Timeout) -> None:
        self._sessions, self._dials = task.sessions(), task.dials()
        self._ours = task.ours
        self._started_at = task.started_at
        self._ended_by = datetime.fromtimestamp(task.ended_by_ms / 1000, timezone.utc)
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
            if cost_of_rows(self._sessions, self._known_rows(), self._ours, self._dials) is not None:
                self._dollars = _reread(self._dollars, lambda: self._api.dollars(*self._days()))
        return self._snapshot()

    def _snapshot(self) -> StatementSnapshot:
        return StatementSnapshot(
            taken_at_ms=utc_ms(),
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
        last = min(datetime.now(timezone.utc), self._ended_by + _AFTERWARDS)
        period = (self._started_at - _CLOCK_SKEW, last + _CLOCK_SKEW)
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


def _reread(before: Reading[T], read: Callable[[], T]) -> Reading[T]:
    """Read; a temporary failure takes nothing back that was read before."""
    try:
        return Reading(value=read(), read_at_ms=utc_ms())
    except ReconciliationError as error:
        if before.read_at_ms is not None and error.temporary:
            return replace(before, failure=None)
        return replace(before, failure=_failure(error))


def _failure(error: ReconciliationError) -> ReadFailure:
    return ReadFailure(
        reason=str(error),
        temporary=error.temporary,
        too_late=error.too_late,
        refused=error.status is not None,
    )
