"""Hours, dollars and what is left: sums over the request log, per day and group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import pytest
import pytest_asyncio

from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import PROJECT, WITH_DURATION, ask, get, rows, spend
from tests.support.emulator_client import session

pytestmark = pytest.mark.asyncio

DAY = datetime(2026, 11, 23, 23, 59, 59, 999_999, timezone.utc)
NAMES_OF_A_USAGE_GROUP = ["accessor", "endpoint", "feature_set", "models", "method", "tags", "deployment"]


@pytest_asyncio.fixture
async def spent() -> AsyncIterator[Emulator]:
    """Sessions of one day with the tags a b, b a, b, and none; all settled."""
    async with Emulator(settlement_lag=0, clock=Clock(start=DAY.replace(hour=12)), behavior=WITH_DURATION) as emulator:
        for tags in (["a", "b"], ["b", "a"], ["b"], []):
            async with session(emulator, tags=tags):
                await asyncio.sleep(0.02)  # this is what is measured
        await rows(emulator, 4)
        yield emulator


def seconds(log: list[dict[str, Any]], *tags: str) -> float:
    """What the rows with these tags add up to."""
    details = [row["response"]["details"] for row in log]
    return sum(float(each["duration"]) for each in details if {*tags} <= {*each["tags"]})


async def test_usage_is_the_sum_of_the_rows(spent: Emulator) -> None:
    log = await rows(spent, 4)
    usage = await get(spent, "/usage/breakdown")
    today = log[0]["created"][:10]
    assert (usage["start"], usage["end"], usage["resolution"]) == (today, today, {"units": "day", "amount": 1})
    (result,) = usage["results"]
    assert result["agent_hours"] * 3600 == pytest.approx(seconds(log))
    assert (result["requests"], result["total_hours"], result["hours"]) == (4, result["agent_hours"], 0)
    assert (result["tokens_in"], result["tokens_out"], result["tts_characters"]) == (0, 0, 0)
    nothing = dict.fromkeys(NAMES_OF_A_USAGE_GROUP)
    assert result["grouping"] == {**nothing, "models": [], "start": today, "end": today}


async def test_usage_by_tags_is_by_the_whole_set(spent: Emulator) -> None:
    results = (await get(spent, "/usage/breakdown", grouping="tags"))["results"]
    assert [(each["grouping"]["tags"], each["requests"]) for each in results] == [(["a", "b"], 2), (["b"], 1), ([], 1)]


async def test_usage_of_a_tag_is_that_of_all_sets_with_it(spent: Emulator) -> None:
    log = await rows(spent, 4)
    for tag, requests in {"a": 2, "b": 3}.items():
        (result,) = (await get(spent, "/usage/breakdown", tag=tag))["results"]
        assert (result["requests"], result["grouping"]["tags"]) == (requests, None)
        assert result["agent_hours"] * 3600 == pytest.approx(seconds(log, tag))
    assert (await get(spent, "/usage/breakdown", tag="c"))["results"] == []


@pytest.mark.parametrize(
    ("grouping", "value"),
    [("endpoint", "agent"), ("method", "streaming"), ("deployment", "hosted"), ("models", []), ("feature_set", None)],
)
async def test_usage_by_another_group(spent: Emulator, grouping: str, value: object) -> None:
    (result,) = (await get(spent, "/usage/breakdown", grouping=grouping))["results"]
    assert (result["requests"], result["grouping"][grouping]) == (4, value)
    others = {*NAMES_OF_A_USAGE_GROUP} - {grouping, "models"}
    assert {result["grouping"][name] for name in others} == {None}


@pytest.mark.parametrize("path", ["/usage/breakdown", "/billing/breakdown"])
async def test_breakdown_by_accessor(spent: Emulator, path: str) -> None:
    (accessor,) = {row["api_key_id"] for row in await rows(spent, 4)}
    (result,) = (await get(spent, path, grouping="accessor"))["results"]
    assert result["grouping"]["accessor"] == accessor
    assert (await get(spent, path, accessor=accessor))["results"]
    assert (await get(spent, path, accessor="somebody"))["results"] == []


@pytest.mark.parametrize(
    ("path", "name", "ours", "other"),
    [
        ("/usage/breakdown", "endpoint", "agent", "listen"),
        ("/usage/breakdown", "method", "streaming", "sync"),
        ("/usage/breakdown", "deployment", "hosted", "self-hosted"),
        ("/billing/breakdown", "deployment", "hosted", "beta"),
        ("/billing/breakdown", "line_item", "emulated::agent-standard", "streaming::nova-3"),
        ("/billing/breakdown", "tag", "a", "c"),
    ],
)
async def test_breakdown_filters(spent: Emulator, path: str, name: str, ours: str, other: str) -> None:
    assert len((await get(spent, path, **{name: ours}))["results"]) == 1
    assert (await get(spent, path, **{name: other}))["results"] == []


async def test_dollars_are_the_sum_of_the_rows(spent: Emulator) -> None:
    log = await rows(spent, 4)
    (result,) = (await get(spent, "/billing/breakdown"))["results"]
    assert result["dollars"] == pytest.approx(sum(row["response"]["details"]["usd"] for row in log))
    assert result["dollars"] == pytest.approx(seconds(log) * 0.075 / 60)
    assert {result["grouping"][name] for name in ("accessor", "deployment", "line_item", "tags")} == {None}


@pytest.mark.parametrize("grouping", [["line_item", "tags"], '["line_item", "tags"]'])
async def test_billing_by_several_groups_in_both_forms(spent: Emulator, grouping: object) -> None:
    results = (await get(spent, "/billing/breakdown", grouping=grouping))["results"]
    assert [each["grouping"]["tags"] for each in results] == [["a", "b"], ["b"], []]
    assert {each["grouping"]["line_item"] for each in results} == {"emulated::agent-standard"}
    assert {each["grouping"]["accessor"] for each in results} == {None}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/usage/breakdown", "grouping=line_item"),
        ("/usage/breakdown", "grouping=tags&grouping=accessor"),
        ("/usage/breakdown", "endpoint=x"),
        ("/usage/breakdown", "start=2026-11-23T10:00:00"),
        ("/billing/breakdown", "grouping=endpoint"),
        ("/billing/breakdown", "grouping=%5B1%5D"),
        ("/billing/breakdown", "end=yesterday"),
        ("/billing/breakdown", "deployment=x"),
    ],
)
async def test_bad_value_is_400_and_named(emulator: Emulator, path: str, query: str) -> None:
    reply = await ask(emulator, f"{PROJECT}{path}?{query}")
    assert reply.refusal() == (400, "Bad Request")
    assert reply.json["err_msg"].startswith(query.partition("=")[0] + " ")


@pytest_asyncio.fixture
async def two_days() -> AsyncIterator[Emulator]:
    """A session that crosses midnight and two of the next day."""
    clock = Clock(start=DAY, speed=0)
    async with Emulator(settlement_lag=0, clock=clock) as emulator:
        async with session(emulator, tags=["first"]):
            clock.advance(2)
        for _ in range(2):
            async with session(emulator, tags=["second"]):
                clock.advance(3)
        await rows(emulator, 3)
        yield emulator


@pytest.mark.parametrize("path", ["/usage/breakdown", "/billing/breakdown"])
async def test_a_session_counts_on_the_utc_day_it_began(two_days: Emulator, path: str) -> None:
    results = (await get(two_days, path))["results"]
    assert [each["grouping"]["start"] for each in results] == ["2026-11-23", "2026-11-24"]
    assert [each["grouping"]["end"] for each in results] == ["2026-11-23", "2026-11-24"]


@pytest.mark.parametrize("path", ["/usage/breakdown", "/billing/breakdown"])
@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-11-23", "2026-11-23", ["2026-11-23"]),
        ("2026-11-24", "2026-11-30", ["2026-11-24"]),
        ("2026-11-23", "2026-11-24", ["2026-11-23", "2026-11-24"]),
        ("2026-11-25", "2026-11-30", []),
        ("2026-11-24", "2026-11-23", []),
    ],
)
async def test_both_ends_of_a_period_count(
    two_days: Emulator, path: str, start: str, end: str, days: list[str]
) -> None:
    breakdown = await get(two_days, path, start=start, end=end)
    assert (breakdown["start"], breakdown["end"]) == (start, end)
    assert [each["grouping"]["start"] for each in breakdown["results"]] == days


async def test_balance_goes_down_by_what_was_settled(spent: Emulator) -> None:
    async def amount() -> float:
        (balance,) = (await get(spent, "/balances"))["balances"]
        assert balance["units"] == "USD"
        assert await get(spent, f"/balances/{balance['balance_id']}") == balance
        return float(balance["amount"])

    dollars = sum(row["response"]["details"]["usd"] for row in await rows(spent, 4))
    assert await amount() == pytest.approx(200 - dollars, abs=1e-9)
    await spend(spent)
    newest = (await rows(spent, 5))[0]["response"]["details"]["usd"]
    assert await amount() == pytest.approx(200 - dollars - newest, abs=1e-9)


async def test_nothing_spent_is_nothing_counted(emulator: Emulator) -> None:
    assert (await get(emulator, "/usage/breakdown"))["results"] == []
    assert (await get(emulator, "/billing/breakdown"))["results"] == []
    assert (await get(emulator, "/balances"))["balances"][0]["amount"] == 200
