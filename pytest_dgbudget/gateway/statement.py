"""The vendor's statement, read on a thread that nothing has to wait for: a resolver or a server may hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from pytest_dgbudget.deepgram.timeout import GRACE_SECONDS, Timeout, unanswered
from pytest_dgbudget.gateway.daemon_thread import in_daemon_thread
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.reconcile.snapshot import reconcile
from pytest_dgbudget.reconcile.task import ReconciliationTask, not_asked
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from pytest_dgbudget.rules.statement_lag import StatementLag


async def ask_for_statement(
    task: ReconciliationTask,
    access: ApiAccess,
    seconds: float,
    given_up: asyncio.Event,
    earlier_lags: Mapping[str, Sequence[StatementLag]] = MappingProxyType({}),
) -> Reconciliation:
    """Reconcile within ``seconds``, or until it is given up; return the last result.

    ``earlier_lags``: how long the statement took in earlier runs, by project.
    """
    timeout = Timeout(seconds)
    results = [not_asked(task, "inconclusive", unanswered(seconds))]
    reading = in_daemon_thread(partial(_read, task, access, timeout, results.append, earlier_lags), "statement")
    waiting: list[asyncio.Future[Any]] = [reading, asyncio.ensure_future(given_up.wait())]
    await asyncio.wait(waiting, timeout=seconds + GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    timeout.stop()
    failure = reading.exception() if reading.done() else None
    for each in waiting:
        each.cancel()
    if failure is not None:
        log(failure)
        why = f"reading the statement failed: {type(failure).__name__}; see the gateway's log"
        return not_asked(task, "inconclusive", why)
    if given_up.is_set() and len(results) == 1:
        return not_asked(task, "pending", "the wait for the statement was ended")
    return results[-1]


def _read(
    task: ReconciliationTask,
    access: ApiAccess,
    timeout: Timeout,
    show: Callable[[Reconciliation], None],
    earlier_lags: Mapping[str, Sequence[StatementLag]],
) -> None:
    from pytest_dgbudget.deepgram.management import ManagementApi

    reconcile(task, ManagementApi(access, task.parts(), timeout), timeout, show, earlier_lags)
