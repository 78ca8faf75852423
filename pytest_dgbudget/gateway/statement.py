"""The vendor's statement, read on a thread that nothing has to wait for: a resolver or a server may hang."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.reconcile.snapshot import reconcile
from pytest_dgbudget.reconcile.task import ReconciliationTask, not_asked
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from pytest_dgbudget.rules.statement_lag import StatementLag
from pytest_dgbudget.units import format_time

# For the answer to a request that was made in time.
_GRACE_SECONDS = 0.5


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
    loop, timeout, ended = asyncio.get_running_loop(), Timeout(seconds), asyncio.Event()
    late = f"the management API did not answer within {format_time(round(seconds * 1000))}"
    results = [not_asked(task, "inconclusive", late)]

    def work() -> None:
        try:
            from pytest_dgbudget.deepgram.management import ManagementApi

            api = ManagementApi(access, task.parts(), timeout)
            reconcile(task, api, timeout, results.append, earlier_lags)
        except BaseException as error:
            log(error)
            why = f"reading the statement failed: {type(error).__name__}; see the gateway's log"
            results.append(not_asked(task, "inconclusive", why))
        with contextlib.suppress(RuntimeError):  # the gateway is gone
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=work, name="statement", daemon=True).start()
    waiting = [asyncio.ensure_future(event.wait()) for event in (ended, given_up)]
    await asyncio.wait(waiting, timeout=seconds + _GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    timeout.stop()
    if given_up.is_set() and len(results) == 1:
        return not_asked(task, "pending", "the wait for the statement was ended")
    return results[-1]
