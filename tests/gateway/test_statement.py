"""The statement is asked for on a thread: what comes of it in time counts, and nobody waits for longer."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest

from pytest_dgbudget.gateway.statement import ask_for_statement
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.reconcile.task import ReconciliationTask
from pytest_dgbudget.rules.comparison import Terms
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from tests.support.comparison import KEY, TOLERANCE, billed, own, run_of
from tests.support.statement import Bill, unsettled

pytestmark = pytest.mark.asyncio

TERMS = Terms(tolerance=TOLERANCE, grace_ms=600_000, now_ms=0)
TASK = ReconciliationTask(facts=run_of([own()]), terms=TERMS)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


class Hanging:
    """Whose URL is there only when it may go on."""

    project, key = None, KEY

    def __init__(self) -> None:
        self.go_on = threading.Event()

    @property
    def api_url(self) -> str:
        self.go_on.wait(20)
        raise OSError("unknown host")


async def asked(url: str, timeout: float, given_up: asyncio.Event | None = None) -> Reconciliation:
    access = ApiAccess(api_url=url, project=None, key=KEY)
    return await ask_for_statement(TASK, access, timeout, given_up or asyncio.Event())


async def test_what_the_statement_says_is_returned_as_soon_as_it_is_there() -> None:
    with Bill(KEY, lambda: [billed()]) as bill:
        began = time.monotonic()
        result = await asked(bill.url, 60)
    assert result.verdict == "reconciled"
    assert time.monotonic() - began < 30


async def test_the_last_result_counts_when_the_time_is_over() -> None:
    with Bill(KEY, lambda: unsettled([billed()])) as bill:
        result = await asked(bill.url, 2)
    assert result.verdict == "pending"
    assert result.checked_at_ms is not None


async def test_an_api_that_does_not_answer_in_time_leaves_the_run_unchecked(silent: str) -> None:
    assert (await asked(silent, 0.2)).verdict == "inconclusive"


async def test_a_resolver_that_hangs_keeps_nobody_waiting() -> None:
    """No time limit of a client's ends that."""
    hangs = Hanging()
    result = await ask_for_statement(TASK, cast(ApiAccess, hangs), 0.1, asyncio.Event())
    hangs.go_on.set()
    assert (result.verdict, result.reasons) == ("inconclusive", ("the management API did not answer within 100ms",))


async def test_who_gives_up_waits_no_longer(silent: str) -> None:
    given_up = asyncio.Event()
    began = time.monotonic()
    asking = asyncio.ensure_future(asked(silent, 60, given_up))
    await asyncio.sleep(0)
    given_up.set()
    result = await asking
    assert time.monotonic() - began < 30
    assert (result.verdict, result.reasons) == ("pending", ("the wait for the statement was ended",))


async def test_a_mistake_of_ours_is_logged_and_leaves_the_run_unchecked(capsys: pytest.CaptureFixture[str]) -> None:
    no_access = cast(ApiAccess, None)
    result = await ask_for_statement(TASK, no_access, 60, asyncio.Event())
    assert result.verdict == "inconclusive"
    assert result.reasons[-1] == "reading the statement failed: AttributeError; see the gateway's log"
    assert "AttributeError" in capsys.readouterr().err
