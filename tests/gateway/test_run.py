"""A run in this process, without a socket."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import weakref
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_dgbudget.gateway.bearers import Owner
from pytest_dgbudget.gateway.clock import MeteringLoop
from pytest_dgbudget.gateway.events import Events, SessionsCut
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.leases import BudgetRefused
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.services import SERVICES
from pytest_dgbudget.model import Attempt, Overrun
from pytest_dgbudget.protocol.notifications import Notification, OverrunNotification
from pytest_dgbudget.protocol.operations import CallEmulator, HeldGrant
from tests.support.gateway import ask_nobody, asked, run_config_for, say_nothing
from tests.support.ledger import changes_of, open_ledger
from tests.support.processes import wait_until


def in_run(folder: Path, does: Callable[[Run], Awaitable[None]]) -> None:
    """Do something in a run whose ledger is in this folder."""

    async def main() -> None:
        thread = LedgerThread(lambda error: None)
        ledger = await thread.call(open_ledger, folder / "ledger.db")
        thread.attach(ledger)
        config, changes = run_config_for("ws://127.0.0.1:1/", folder), changes_of(folder / "ledger.db")
        run = Run(config, ledger, thread, Events(), changes)
        await does(run)
        await run.end_all("teardown")
        await thread.close()

    loop = MeteringLoop()
    loop.run_until_complete(main())
    loop.close()


async def found(run: Run, token: str) -> Grant:
    bearer = await run.bearers.find(token)
    assert isinstance(bearer, Grant)
    return bearer


def test_a_test_that_has_ended_is_forgotten(tmp_path: Path) -> None:
    """Ten thousand tests take no more of the gateway's memory than one."""

    async def one_test(run: Run) -> None:
        owner = Owner(role="controller", ask=ask_nobody, notify=say_nothing)
        granted = await run.grant(owner, asked())
        grant = weakref.ref(await found(run, granted.token))
        assert grant() is not None
        await run.end(owner, granted.id)
        gc.collect()
        assert grant() is None

    in_run(tmp_path, one_test)


def test_a_test_that_is_not_dialled_where_the_run_is_waits_for_no_place(tmp_path: Path) -> None:
    async def two_tests(run: Run) -> None:
        owner = Owner(role="controller", ask=ask_nobody, notify=say_nothing)
        nobody_left = asyncio.get_running_loop().create_future()
        config = run_config_for("ws://127.0.0.1:1/", tmp_path)
        (service, *_) = SERVICES
        for _ in range(config.max_sessions):
            own = await found(run, (await run.grant(owner, asked(f"t{_}", budget_ms=500))).token)
            assert own is not None
            await run.open_session(own, service, nobody_left)
        elsewhere = await found(run, (await run.grant(owner, asked("e", target="emulator", budget_ms=1000))).token)
        assert elsewhere is not None
        session = await asyncio.wait_for(run.open_session(elsewhere, service, nobody_left), 30)
        assert session in elsewhere.open_sessions

    in_run(tmp_path, two_tests)


def test_the_verdict_of_a_test_that_has_ended_is_still_known(tmp_path: Path) -> None:
    async def one_test(run: Run) -> None:
        owner = Owner(role="controller", ask=ask_nobody, notify=say_nothing)
        granted = await run.grant(owner, asked(budget_ms=1000))
        ended = await run.end(owner, granted.id)
        assert (await run.attempts.verdict(granted.id)) == ended.verdict
        assert (await run.attempts.usage(granted.id, None)).seconds == 0

    in_run(tmp_path, one_test)


def test_a_grant_of_the_gateway_before_comes_with_what_its_test_has_set_at_the_emulator(tmp_path: Path) -> None:
    async def one_test(run: Run) -> None:
        owner = Owner(role="controller", ask=ask_nobody, notify=say_nothing)
        granted = await run.grant(owner, asked())
        calls = (CallEmulator(attempt=granted.id, method="PUT", what="scenario", body={}),)
        held = HeldGrant(attempt=granted.id, token=granted.token, asked=asked(), emulator_calls=calls)
        await run.restore(owner, held)
        assert (await run.attempts.known(granted.id)).emulator_calls == calls

    in_run(tmp_path, one_test)


def test_what_the_gateway_before_left_open_of_a_test_is_charged_in_full_and_said_at_once(tmp_path: Path) -> None:
    """Also where a ledger on a server would keep its lease until its time has passed."""

    async def one_test(run: Run) -> None:
        owner = Owner(role="controller", ask=ask_nobody, notify=say_nothing)
        granted = await run.grant(owner, asked(budget_ms=1000))
        attempt = (await run.attempts.known(granted.id)).attempt
        with closing(open_ledger(tmp_path / "ledger.db", live={"run"})) as lost:
            lost.lease_to_dial(attempt)
        await run.restore(owner, HeldGrant(attempt=granted.id, token=granted.token, asked=asked(budget_ms=1000)))
        assert (await run.attempts.verdict(granted.id)).gateway_lost is not None
        assert (await run.attempts.usage(granted.id, None)).seconds == 1

    in_run(tmp_path, one_test)


def test_a_client_that_connects_again_and_again_is_refused_in_two_rows_and_one_object(tmp_path: Path) -> None:
    """The first refusal is recorded at once, the others together at the end of their test."""

    async def one_test(run: Run) -> None:
        owner = Owner(role="controller", ask=ask_nobody, notify=say_nothing)
        granted = await run.grant(owner, asked(budget_ms=0))
        grant = await found(run, granted.token)
        assert grant is not None
        gone = asyncio.get_running_loop().create_future()
        for _ in range(300):
            with pytest.raises(BudgetRefused):
                await run.open_session(grant, SERVICES[0], gone)
        gone.cancel()
        assert len((await run.attempts.verdict(granted.id)).overruns) == 1
        assert await asyncio.to_thread(recorded, 1) == [1]
        ended = await run.end(owner, granted.id)
        assert ended.figures["refused"] == 300
        assert await asyncio.to_thread(recorded, 2) == [1, 299]
        assert (await run.attempts.verdict(granted.id)) == ended.verdict

    def refusals() -> list[int]:
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
            return [times for (times,) in ledger.execute("SELECT times FROM refusal ORDER BY rowid")]

    def recorded(rows: int) -> list[int]:
        wait_until(lambda: len(refusals()) >= rows)
        return refusals()

    in_run(tmp_path, one_test)


@pytest.mark.asyncio
async def test_what_each_budget_refused_is_counted_by_itself() -> None:
    grant = Grant(Attempt(id="a", nodeid="t", worker="", number=1, target=None, budget_ms=1, left_ms=1), asked())
    of_test = Overrun(kind="refused", scope="test", used=1, allowed=1)
    of_run = Overrun(kind="refused", scope="run", used=5, allowed=5)
    first = [grant.overruns.refuse(each) for each in (of_test, of_run, of_run, of_test, of_run)]
    assert first == [True, True, False, False, False]
    assert (grant.overruns.refused, grant.overruns.all) == (5, [of_test, of_run])
    assert grant.overruns.take_refused_again() == [(of_test, 1), (of_run, 2)]
    assert grant.overruns.take_refused_again() == []


@pytest.mark.parametrize("notify", [True, False])
def test_an_owner_is_told_what_happens_in_an_attempt_if_it_asked_for_that(tmp_path: Path, notify: bool) -> None:
    async def one_test(run: Run) -> None:
        told: list[Notification] = []
        owner = Owner(role="worker", ask=ask_nobody, notify=told.append)
        granted = await run.grant(owner, replace(asked(budget_ms=0), notify=notify))
        await refused(run, granted.token)
        assert [type(each) for each in told] == [OverrunNotification] * notify

    in_run(tmp_path, one_test)


def test_an_owner_is_told_of_a_grant_of_the_gateway_before_and_of_nothing_once_it_is_gone(tmp_path: Path) -> None:
    async def one_test(run: Run) -> None:
        told: list[Notification] = []
        owner = Owner(role="worker", ask=ask_nobody, notify=told.append)
        what = replace(asked(budget_ms=0), notify=True)
        granted = await run.grant(Owner(role="worker", ask=ask_nobody, notify=say_nothing), what)
        await run.restore(owner, HeldGrant(attempt=granted.id, token="d9b0d9e7" + "1" * 32, asked=what))
        await refused(run, "d9b0d9e7" + "1" * 32)
        assert [type(each) for each in told] == [OverrunNotification]
        run.owner_lost(owner)
        run._events.emit(SessionsCut(attempt=granted.id, overrun=CUT))
        assert len(told) == 1

    in_run(tmp_path, one_test)


CUT = Overrun(kind="cut", scope="test", used=900, allowed=1000)


async def refused(run: Run, token: str) -> None:
    with pytest.raises(BudgetRefused):
        await run.open_session(await found(run, token), SERVICES[0], asyncio.get_running_loop().create_future())
