"""The project's balance, read when a live run's gateway opens its first session, at a real emulator."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.test_run_keys import NOBODY, World, metered, refusing, world
from tests.support.served import by_token


@asynccontextmanager
async def live_run(folder: Path, credit: str, *, balance_usd: float = 100.0, **changes: Any) -> AsyncIterator[Credited]:
    """A run that may spend ten minutes, at the highest price $1.63."""
    async with world(folder, changes.pop("run_key", "off"), credit=credit, **changes) as live:
        yield Credited(live, balance_usd)


class Credited:
    """A live run, and how often its project's balance was read."""

    def __init__(self, live: World, balance_usd: float) -> None:
        self.live = live
        self.reads = 0
        self.balance_usd = balance_usd
        live.vendor._project.balance_usd = self._read  # type: ignore[method-assign]

    def _read(self) -> float:
        self.reads += 1
        return self.balance_usd

    async def problems(self) -> list[str]:
        """Return what is said of the balance by the end of the run."""
        reading = self.live.gateway.run.credit._reading
        if reading is not None:
            await asyncio.wait([reading])
        return [each for each in self.live.gateway.remarks.sentences() if "balance" in each]


@metered
async def test_warn_says_that_the_balance_is_below_and_opens_all_the_same(tmp_path: Path) -> None:
    async with live_run(tmp_path, "warn", balance_usd=1.5) as run:
        await run.live.open()
        (problem,) = await run.problems()
        assert problem.startswith("the project's balance is $1.50, and this run may spend $1.63")


@pytest.mark.parametrize("credit", ["warn", "require"])
@metered
async def test_a_balance_that_covers_the_run_is_read_once_and_nothing_is_said(tmp_path: Path, credit: str) -> None:
    async with live_run(tmp_path, credit) as run:
        tokens = [await run.live.gateway.token(60_000) for _ in range(3)]
        await asyncio.gather(*map(run.live.open, tokens))
        await run.live.open()
        assert await run.problems() == []
        assert run.reads == 1


@metered
async def test_off_reads_nothing(tmp_path: Path) -> None:
    async with live_run(tmp_path, "off", balance_usd=0) as run:
        await run.live.open()
        assert await run.problems() == []
        assert run.reads == 0


@metered
async def test_warn_delays_no_dial_and_says_nothing_of_a_balance_that_cannot_be_read(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with live_run(tmp_path, "warn", api_url=f"http://127.0.0.1:{silent.getsockname()[1]}") as run:
            await run.live.open()
            reading = run.live.gateway.run.credit._reading
            assert reading is not None
            assert not reading.done()
            await run.live.gateway.run.end_all("teardown")
            assert await run.problems() == []
            assert reading.cancelled()


@metered
async def test_require_opens_nothing_where_the_balance_is_below_and_tells_the_test(tmp_path: Path) -> None:
    async with live_run(tmp_path, "require", balance_usd=1.5) as run:
        granted = await run.live.gateway.grant(budget_ms=60_000)
        with pytest.raises(Exception, match="402"):
            await run.live.open(granted.token)
        refused = await run.live.refused()
        assert (refused["status"], refused["err_code"]) == (402, "DGBUDGET_CREDIT")
        assert "the project's balance is $1.50, and this run may spend $1.63" in refused["err_msg"]
        told = await run.live.gateway.refusals(granted)
        assert [(each.status, each.code) for each in told] == [(402, "DGBUDGET_CREDIT")]
        assert run.live.gateway.rows("SELECT * FROM lease") == []
        assert run.live.gateway.run.credit.kept_all_out
        (problem,) = await run.problems()
        assert "402 DGBUDGET_CREDIT" in problem
        assert run.reads == 1


@pytest.mark.parametrize(
    ("status", "to_do"), [(400, "HTTP 400"), (403, "does the key have the scope billing:read?"), (503, "HTTP 503")]
)
@metered
async def test_require_opens_nothing_where_the_balance_cannot_be_read_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, to_do: str
) -> None:
    monkeypatch.setattr("pytest_dgbudget.gateway.credit._SECONDS", 0.1)
    async with live_run(tmp_path, "require") as run:
        refusing(run.live.vendor, status)
        refused = await run.live.refused()
        assert (refused["status"], refused["err_code"]) == (503, "DGBUDGET_CREDIT")
        assert "the project's balance could not be read" in refused["err_msg"]
        assert to_do in refused["err_msg"]
        assert "set dg_credit = warn" in refused["err_msg"]
        assert run.live.gateway.rows("SELECT * FROM lease") == []


@metered
async def test_require_asks_again_where_that_may_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_dgbudget.gateway.credit._SECONDS", 0.1)  # no time for a second try of its own
    async with live_run(tmp_path, "require") as run:
        refusing(run.live.vendor, 503, times=1)
        await run.live.refused()
        await run.live.open()
        assert not run.live.gateway.run.credit.kept_all_out


@metered
async def test_require_waits_for_seconds_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_dgbudget.gateway.credit._SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with live_run(tmp_path, "require", api_url=f"http://127.0.0.1:{silent.getsockname()[1]}") as run:
            refused = await run.live.refused()
            assert "did not answer within 100ms" in refused["err_msg"] or "can't be reached" in refused["err_msg"]


@metered
async def test_require_without_a_management_api_names_the_option_for_it(tmp_path: Path) -> None:
    async with live_run(tmp_path, "require") as run:
        run.live.gateway.run.credit._access = None
        assert "name it with --dg-api-url" in (await run.live.refused())["err_msg"]


@metered
async def test_no_key_is_made_for_a_run_that_opens_nothing(tmp_path: Path) -> None:
    async with live_run(tmp_path, "require", balance_usd=0, run_key="on") as run:
        await run.live.refused()
        assert len(await run.live.comments()) == 1


@metered
async def test_what_speaks_to_the_emulator_needs_no_credit(tmp_path: Path) -> None:
    async with live_run(tmp_path, "require", balance_usd=0) as run:
        granted = await run.live.gateway.grant(budget_ms=60_000, target="emulator")
        async with run.live.gateway.session(**by_token(granted.token)) as session:
            await session.recv()
        assert run.reads == 0


@metered
async def test_a_run_that_is_not_live_needs_none(tmp_path: Path) -> None:
    async with live_run(tmp_path, "require", balance_usd=0, target="emulator") as run:
        await run.live.open()
        assert run.reads == 0


@metered
async def test_i9_the_key_is_in_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_dgbudget.gateway.credit._SECONDS", 0.1)
    async with live_run(tmp_path, "require", api_url=NOBODY) as run:
        refused = await run.live.refused()
        assert run.live.vendor.api_key not in str(refused) + str(await run.problems())
