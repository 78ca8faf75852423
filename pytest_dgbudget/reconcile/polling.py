"""The loop: read the statement until it has settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.reconcile.snapshot import StatementReader
from pytest_dgbudget.reconcile.task import ReconciliationTask
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation, judge, may_change

if TYPE_CHECKING:
    from pytest_dgbudget.deepgram.management import ManagementApi

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0


def reconcile(
    task: ReconciliationTask, api: ManagementApi, timeout: Timeout, report: Callable[[Reconciliation], None]
) -> None:
    """Read until nothing is left to wait for or the time is up. ``report`` gets every result; the last one counts."""
    sessions = task.sessions()
    reader = StatementReader(sessions, task.started_at, api, timeout)
    for longest_pause in _pauses():
        snapshot = reader.read()
        result = judge(sessions, snapshot, task.terms_at(snapshot.taken_at_ms))
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
