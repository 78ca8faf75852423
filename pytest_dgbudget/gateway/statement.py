"""The vendor's statement, asked for on a thread that nobody has to wait for: a resolver or a server may hang."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import traceback
from typing import Any

from pytest_dgbudget.deepgram.account import Account
from pytest_dgbudget.deepgram.patience import Patience
from pytest_dgbudget.reconcile.asking import not_asked, reconcile
from pytest_dgbudget.reconcile.question import Question
from pytest_dgbudget.reconcile.result import Reconciliation
from pytest_dgbudget.units import format_time

# For what was asked in time to be answered.
_LAST_SECONDS = 0.5


async def ask_for_statement(
    question: Question, account: Account, timeout: float, given_up: asyncio.Event
) -> Reconciliation:
    """Reconcile within so many seconds, or until it is given up; return the last result that there was."""
    loop, patience = asyncio.get_running_loop(), Patience(timeout)
    results: list[Reconciliation] = []
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def work() -> None:
        error: BaseException | None = None
        try:
            from pytest_dgbudget.deepgram.management import ManagementApi

            reconcile(question, ManagementApi(account, question.facts.tag, patience), patience, results.append)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the gateway is gone
            loop.call_soon_threadsafe(ended.set_result, error)

    threading.Thread(target=work, name="statement", daemon=True).start()
    stopped = asyncio.ensure_future(given_up.wait())
    signs: list[asyncio.Future[Any]] = [ended, stopped]
    await asyncio.wait(signs, timeout=timeout + _LAST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    patience.stop()
    reason = f"the management API did not answer within {format_time(round(timeout * 1000))}"
    if ended.done() and (error := ended.result()) is not None:
        traceback.print_exception(error)
        reason = f"reading the statement failed: {type(error).__name__}; the gateway's log says more"
    if results:
        return results[-1]
    if given_up.is_set():
        return not_asked(question, "pending", "the statement was not waited for any longer")
    return not_asked(question, "inconclusive", reason)
