"""What processes tell of sessions that they refused or let pass."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.gateway.bearers import Owner
from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.model import Bypass, BypassHow
from pytest_dgbudget.protocol.operations import HeldGrant
from tests.support.gateway import ask_nobody, asked, say_nothing
from tests.support.served import Served, served

TOLD = Bypass(host="agent.deepgram.com", path="/v1/agent/converse", how="refused", program="python app.py")


def within(folder: Path, does: Callable[[Served], Awaitable[None]]) -> None:
    async def main() -> None:
        async with served(folder, LiveTarget({}, "", None)) as gateway:
            await does(gateway)

    run_metering(main())


async def tell(gateway: Served, token: str, **fields: Any) -> int:
    return (await gateway.ask("POST", "/bypass", token, body=json.dumps({**asdict(TOLD), **fields}).encode())).status


@pytest.mark.parametrize("how", ["refused", "passed"])
def test_what_is_told_is_noted_with_its_test_and_in_the_ledger(tmp_path: Path, how: BypassHow) -> None:
    async def tells(gateway: Served) -> None:
        granted, other = await gateway.grant("t::one"), await gateway.grant("t::two")
        for _ in range(3):
            assert await tell(gateway, granted.token, how=how, path="/v1/agent/converse?secret=1") == 204
        told = replace(TOLD, how=how)
        assert (await gateway.run.attempts.verdict(granted.id)).bypasses == (told,)
        assert (await gateway.run.attempts.verdict(other.id)).bypasses == ()
        await gateway.end(granted)
        assert (await gateway.run.attempts.verdict(granted.id)).bypasses == (told,)
        columns = "run, attempt, host, path, how, program"
        row = ("run", granted.id, "agent.deepgram.com", "/v1/agent/converse", how, "python app.py")
        assert gateway.rows(f"SELECT {columns} FROM bypass") == [row]

    within(tmp_path, tells)


def test_a_gateways_successor_knows_what_was_told(tmp_path: Path) -> None:
    async def tells(gateway: Served) -> None:
        granted = await gateway.grant()
        await tell(gateway, granted.token)
        owner = Owner(role="controller", ask=ask_nobody, notify=say_nothing)
        await gateway.run._ledger_thread.written()
        await gateway.run.restore(owner, HeldGrant(attempt=granted.id, token=granted.token, asked=asked()))
        assert (await gateway.run.attempts.verdict(granted.id)).bypasses == (TOLD,)

    within(tmp_path, tells)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[]",
        json.dumps({**asdict(TOLD), "how": "perhaps"}).encode(),
        json.dumps({**asdict(TOLD), "host": 7}).encode(),
        json.dumps({**asdict(TOLD), "more": 1}).encode(),
        json.dumps({**asdict(TOLD), "program": "x" * 20_000}).encode(),
    ],
    ids=["empty", "no JSON", "a list", "how", "host", "more", "too long"],
)
def test_what_tells_of_no_bypass_is_refused(tmp_path: Path, body: bytes) -> None:
    async def tells(gateway: Served) -> None:
        granted = await gateway.grant()
        assert (await gateway.ask("POST", "/bypass", granted.token, body=body)).status == 400
        assert (await gateway.run.attempts.verdict(granted.id)).bypasses == ()

    within(tmp_path, tells)


def test_what_is_told_is_fit_for_a_report(tmp_path: Path) -> None:
    async def tells(gateway: Served) -> None:
        granted = await gateway.grant()
        await tell(gateway, granted.token, program="a\n\x00b" + "c" * 1000)
        (told,) = (await gateway.run.attempts.verdict(granted.id)).bypasses
        assert told.program.startswith("a bccc")
        assert len(told.program) == 300

    within(tmp_path, tells)


def test_nobody_tells_without_a_token(tmp_path: Path) -> None:
    async def tells(gateway: Served) -> None:
        granted = await gateway.grant()
        assert await tell(gateway, "unknown") == 401
        assert (await gateway.ask("GET", "/bypass", granted.token)).status == 404
        assert (await gateway.run.attempts.verdict(granted.id)).bypasses == ()

    within(tmp_path, tells)


def test_who_tells_without_end_fills_nothing(tmp_path: Path) -> None:
    async def tells(gateway: Served) -> None:
        granted = await gateway.grant()
        grant = await gateway.run.bearers.find(granted.token)
        assert isinstance(grant, Grant)
        for number in range(200):
            gateway.run.bypasses.note(grant, replace(TOLD, program=str(number)))
            gateway.run.bypasses.note(None, replace(TOLD, program=str(number)))
        await gateway.run._ledger_thread.written()
        assert gateway.rows("SELECT COUNT(*), COUNT(attempt) FROM bypass") == [(200, 100)]

    within(tmp_path, tells)
