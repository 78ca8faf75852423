"""Whom a request comes from, and what tests are told of clients that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.model import Refusal
from tests.support.served import Served, by_token, served
from tests.support.vendor import KEY, Vendor

UNKNOWN = "d9b0d9e7" + "0" * 32


def within(folder: Path, does: Callable[[Served, Vendor], Awaitable[None]], *, budget_ms: int | None = None) -> None:
    async def main(vendor: Vendor) -> None:
        target = LiveTarget({DeepgramAgent.name: vendor.url}, KEY, None)
        async with served(folder, target, key=KEY, budget_ms=budget_ms) as gateway:
            await does(gateway, vendor)

    with Vendor() as vendor:
        run_metering(main(vendor))


async def refused(gateway: Served, token: str) -> tuple[int, str]:
    """Try to open a session, and return status and code of the refusal."""
    with pytest.raises(InvalidStatus) as refusal:
        await gateway.session(**by_token(token))
    response = refusal.value.response
    return response.status_code, json.loads(response.body or b"{}").get("err_code", "")


@pytest.mark.parametrize("path", ["/v1/agent/converse", "//v1/agent/converse", "/v1/agent/converse/", "/agent"])
@pytest.mark.parametrize("prefix", ["", "/to/agent.deepgram.com"])
def test_the_agent_is_found_at_its_old_path_and_with_slashes_that_a_base_url_brings(
    tmp_path: Path, path: str, prefix: str
) -> None:
    async def opens(gateway: Served, _: Vendor) -> None:
        granted = await gateway.grant()
        async with gateway.session(prefix + path, **by_token(granted.token)) as session:
            assert "Welcome" in str(await session.recv())
        assert (await gateway.run.attempts.usage(granted.id, None)).sessions == 1

    within(tmp_path, opens)


@pytest.mark.parametrize("budget_ms", [60_000, None])
def test_progress_has_what_the_run_has_used_and_what_is_open_and_may_use(tmp_path: Path, budget_ms: int | None) -> None:
    async def opens(gateway: Served, _: Vendor) -> None:
        before, granted = await gateway.grant("before"), await gateway.grant()
        async with gateway.session(**by_token(before.token)) as session:
            await session.recv()
        await gateway.end(before)
        earlier = await gateway.run.progress()
        assert earlier.used_seconds > 0
        assert earlier.used_usd > 0
        assert (earlier.open_sessions, earlier.at_risk_seconds, earlier.at_risk_usd, earlier.waiting) == (0, 0, 0, 0)
        async with gateway.session(**by_token(granted.token)) as session:
            await session.recv()
            now = await gateway.run.progress()
            assert (now.used_seconds > earlier.used_seconds, now.open_sessions) == (True, 1)
            assert now.at_risk_seconds + now.used_seconds - earlier.used_seconds > 10
            assert now.at_risk_usd > 0
        await gateway.end(granted)
        assert (await gateway.run.progress()).at_risk_seconds == 0

    within(tmp_path, opens, budget_ms=budget_ms)


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "bearer"])
def test_a_tests_token_goes_with_either_scheme(tmp_path: Path, scheme: str) -> None:
    async def opens(gateway: Served, _: Vendor) -> None:
        async with gateway.session(**by_token(await gateway.token(), scheme)) as session:
            await session.recv()

    within(tmp_path, opens)


def test_a_wrong_credential_is_refused_live_as_the_vendor_does_and_means_its_token_elsewhere(tmp_path: Path) -> None:
    async def asks(gateway: Served, vendor: Vendor) -> None:
        live, emulated = await gateway.grant("t::live"), await gateway.grant("t::emulated", target="emulator")
        assert await refused(gateway, f"invalid-{live.token}") == (401, "INVALID_AUTH")
        assert vendor.connections == []
        reason = "Invalid credentials. The client showed neither a key nor a token: have it use DEEPGRAM_API_KEY"
        assert await gateway.refusals(live) == (Refusal(status=401, code="INVALID_AUTH", reason=reason, times=1),)
        async with gateway.session(**by_token(f"invalid-{emulated.token}")) as session:
            await session.recv()
        assert await gateway.refusals(emulated) == ()

    within(tmp_path, asks)


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("", "no token"),
        (UNKNOWN, "no such token"),
        ("stale", "no such token"),
        (f"invalid-{UNKNOWN}", "no such token"),
        (KEY, "the real API key"),
    ],
    ids=["none", "unknown", "another", "unknown and wrong", "the real key"],
)
def test_the_one_test_that_runs_is_told_of_clients_that_nobody_knows(tmp_path: Path, token: str, told: str) -> None:
    async def tells(gateway: Served, vendor: Vendor) -> None:
        granted = await gateway.grant()
        for _ in range(3):
            assert await refused(gateway, token) == (401, "DGBUDGET_UNAUTHORIZED")
        (refusal,) = await gateway.refusals(granted)
        assert (refusal.status, refusal.code, refusal.times) == (401, "DGBUDGET_UNAUTHORIZED", 3)
        assert told in refusal.reason
        assert KEY not in refusal.reason
        assert vendor.connections == []
        assert gateway.remarks.sentences() == []

    within(tmp_path, tells)


@pytest.mark.parametrize("tests", [0, 2])
def test_the_run_is_told_where_not_exactly_one_test_runs(tmp_path: Path, tests: int) -> None:
    async def tells(gateway: Served, _: Vendor) -> None:
        granted = [await gateway.grant(f"t::{number}") for number in range(tests)]
        for token in (UNKNOWN, UNKNOWN, KEY):
            await refused(gateway, token)
        assert [await gateway.refusals(each) for each in granted] == [()] * tests
        unknown, real_key = gateway.remarks.sentences()
        assert "no such token" in unknown
        assert unknown.endswith("; 1 reconnect refused")
        assert "the real API key" in real_key

    within(tmp_path, tells)


def test_a_client_that_outlives_its_test_is_told_in_the_next_one(tmp_path: Path) -> None:
    async def outlives(gateway: Served, _: Vendor) -> None:
        first = await gateway.grant("t.py::test_first")
        await gateway.end(first)
        second = await gateway.grant("t.py::test_second")
        assert await refused(gateway, first.token) == (401, "DGBUDGET_UNAUTHORIZED")
        (told,) = await gateway.refusals(second)
        assert told.reason == (
            "a client came with a token of t.py::test_first, which is over: does the application outlive its test?"
        )

    within(tmp_path, outlives)


def test_what_the_answer_says_of_the_real_key_is_what_it_says_of_any(tmp_path: Path) -> None:
    async def asks(gateway: Served, _: Vendor) -> None:
        await gateway.grant()
        said = [json.loads((await gateway.ask("POST", "/v1/auth/grant", token)).body) for token in (KEY, UNKNOWN)]
        assert said[0]["err_msg"] == said[1]["err_msg"]

    within(tmp_path, asks)


def test_what_clients_are_refused_for_is_bounded(tmp_path: Path) -> None:
    async def many(gateway: Served, _: Vendor) -> None:
        granted = await gateway.grant()
        grant = await gateway.run.bearers.find(granted.token)
        assert isinstance(grant, Grant)
        for number in range(100):
            grant.note_refusal(401, "C", f"reason {number}")
        assert len(await gateway.refusals(granted)) == 20

    within(tmp_path, many)
