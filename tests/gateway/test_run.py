"""A run in this process, without a socket."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

from pytest_dgbudget.gateway.clock import MeteringLoop
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.run import Owner, Run
from pytest_dgbudget.gateway.services import SERVICES
from tests.support.gateway import asked, run_config_for
from tests.support.ledger import open_ledger


def in_run(folder: Path, does: Callable[[Run], Awaitable[None]]) -> None:
    """Do something in a run whose ledger is in this folder."""

    async def main() -> None:
        thread = LedgerThread(lambda error: None)
        ledger = await thread.call(open_ledger, folder / "ledger.db")
        thread.attach(ledger)
        run = Run(run_config_for("ws://127.0.0.1:1/", folder), ledger, thread, Events())
        await does(run)
        await run.end_all("teardown")
        await thread.close()

    loop = MeteringLoop()
    loop.run_until_complete(main())
    loop.close()


def test_a_test_that_has_ended_is_forgotten(tmp_path: Path) -> None:
    """Ten thousand tests take no more of the gateway's memory than one."""

    async def one_test(run: Run) -> None:
        owner = Owner(role="controller", grants=set())
        granted = await run.grant(owner, asked())
        grant = weakref.ref(await run.find(granted.token))
        assert grant() is not None
        await run.end(owner, granted.id)
        gc.collect()
        assert grant() is None

    in_run(tmp_path, one_test)


def test_a_test_that_is_not_dialled_where_the_run_is_waits_for_no_place(tmp_path: Path) -> None:
    async def two_tests(run: Run) -> None:
        owner, nobody_left = Owner(role="controller", grants=set()), asyncio.get_running_loop().create_future()
        config = run_config_for("ws://127.0.0.1:1/", tmp_path)
        (service, *_) = SERVICES
        for _ in range(config.max_sessions):
            own = await run.find((await run.grant(owner, asked(f"t{_}", budget_ms=500))).token)
            assert own is not None
            await run.open_session(own, service, nobody_left)
        elsewhere = await run.find((await run.grant(owner, asked("e", target="emulator", budget_ms=1000))).token)
        assert elsewhere is not None
        session = await asyncio.wait_for(run.open_session(elsewhere, service, nobody_left), 30)
        assert session in elsewhere.open_sessions

    in_run(tmp_path, two_tests)


def test_the_verdict_of_a_test_that_has_ended_is_still_known(tmp_path: Path) -> None:
    async def one_test(run: Run) -> None:
        owner = Owner(role="controller", grants=set())
        granted = await run.grant(owner, asked(budget_ms=1000))
        ended = await run.end(owner, granted.id)
        assert (await run.verdict(granted.id)) == ended.verdict
        assert (await run.usage(granted.id, None)).seconds == 0

    in_run(tmp_path, one_test)
