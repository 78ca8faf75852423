"""The vendor's statement, asked for on a thread that nobody has to wait for: a resolver or a server may hang."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from pytest_dgbudget.deepgram.access import ApiAccess
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.reconcile.polling import not_asked, reconcile
from pytest_dgbudget.reconcile.question import Question
from pytest_dgbudget.reconcile.result import Reconciliation
from pytest_dgbudget.units import format_time

# For what was asked in time to be answered.
_LAST_SECONDS = 0.5


async def ask_for_statement(
    question: Question, access: ApiAccess, timeout: float, given_up: asyncio.Event
) -> Reconciliation:
    """Reconcile within so many seconds, or until it is given up; return the last result that there was."""
    loop, patience, ended = asyncio.get_running_loop(), Timeout(timeout), asyncio.Event()
    late = f"the management API did not answer within {format_time(round(timeout * 1000))}"
    results = [not_asked(question, "inconclusive", late)]

    def work() -> None:
        try:
            from pytest_dgbudget.deepgram.management import ManagementApi

            reconcile(question, ManagementApi(access, question.facts.tag, patience), patience, results.append)
        except BaseException as error:
            log(error)
            why = f"reading the statement failed: {type(error).__name__}; the gateway's log says more"
            results.append(not_asked(question, "inconclusive", why))
        with contextlib.suppress(RuntimeError):  # the gateway is gone
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=work, name="statement", daemon=True).start()
    waiting = [asyncio.ensure_future(event.wait()) for event in (ended, given_up)]
    await asyncio.wait(waiting, timeout=timeout + _LAST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    patience.stop()
    if given_up.is_set() and len(results) == 1:
        return not_asked(question, "pending", "the statement was not waited for any longer")
    return results[-1]
