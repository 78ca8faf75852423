"""The request log: what each session is said to have used, from when on, and who finds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import PROJECT, WITH_DURATION, ask, check, get, rows, spend
from tests.support.emulator_client import Client, session
from tests.support.slow import slow

pytestmark = pytest.mark.asyncio

_TALKS_SECONDS = 0.4


@pytest_asyncio.fixture
async def prompt() -> AsyncIterator[Emulator]:
    async with Emulator(settlement_lag=0, behavior=WITH_DURATION) as emulator:
        yield emulator


async def closed_by_the_client(client: Client) -> None:
    await client.connection.close()


async def vanished(client: Client) -> None:
    client.connection.transport.abort()


async def ended_by_an_error(client: Client) -> None:
    await client.connection.send("nonsense")
    await client.rest()


@pytest.mark.parametrize("end", [closed_by_the_client, vanished, ended_by_an_error])
@pytest.mark.parametrize("settings", [{}, {"agent": {"greeting": "x" * 100}}])
async def test_figures_agree_with_the_clients_own(prompt: Emulator, end: Any, settings: dict[str, Any]) -> None:
    """It is no shorter than its client waited in it, and no longer than from before its dial until it is listed."""
    start, now = time.monotonic(), datetime.now(timezone.utc)
    async with session(prompt, **settings) as client:
        await asyncio.sleep(_TALKS_SECONDS)  # this is what is measured
        await end(client)
    (row,) = await rows(prompt)
    seconds = time.monotonic() - start
    assert row["request_id"] == client.seen[0]["request_id"]
    details = row["response"]["details"]
    assert _TALKS_SECONDS - 0.01 < details["duration"] < seconds + 0.01
    assert details["usd"] == pytest.approx(details["duration"] * 0.075 / 60)
    created, completed = (
        datetime.fromisoformat(text[:-1] + "+00:00") for text in (row["created"], row["response"]["completed"])
    )
    assert -0.01 < (created - now).total_seconds() < seconds - _TALKS_SECONDS + 0.01
    assert abs((completed - created).total_seconds() - details["duration"]) < 0.002


async def test_a_row_has_the_form_of_the_vendors_examples(prompt: Emulator) -> None:
    request_id = await spend(prompt, "ci", "a")
    (row,) = await rows(prompt)
    response = row.pop("response")
    created, api_key_id = row.pop("created"), row.pop("api_key_id")
    assert created.endswith("Z")
    assert api_key_id not in (None, prompt.api_key)
    assert row == {
        "request_id": request_id, "project_uuid": prompt.project_id, "path": "/v1/agent/converse", "callback": None,
    }  # fmt: skip
    details = response["details"]
    assert (details["method"], details["tags"], response["code"]) == ("streaming", ["ci", "a"], 200)
    assert (details["models"], details["features"], details["config"]) == ([], [], {})
    assert response["deployment"] == "hosted"


async def test_session_without_accepted_settings_has_a_row_and_no_tags(prompt: Emulator) -> None:
    async with session(prompt):
        pass
    async with session(prompt) as client:
        await client.send("Settings", tags=["a"], agent=None)
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"
    assert [row["response"]["details"]["tags"] for row in await rows(prompt, 2)] == [[], []]


async def test_who_got_no_101_has_no_row(prompt: Emulator) -> None:
    with pytest.raises(InvalidStatus):
        await connect(prompt.agent_url, proxy=None)
    request_id = await spend(prompt)
    assert [row["request_id"] for row in await rows(prompt)] == [request_id]


async def test_open_session_has_no_row_yet(prompt: Emulator) -> None:
    async with session(prompt) as client:
        assert (await get(prompt, "/requests"))["requests"] == []
        assert (await ask(prompt, f"{PROJECT}/requests/{client.seen[0]['request_id']}")).status == 404
    assert len(await rows(prompt)) == 1


async def test_response_is_null_until_it_is_settled() -> None:
    clock = Clock()
    async with Emulator(settlement_lag=3600, clock=clock) as emulator:
        await spend(emulator)
        await rows(emulator, settled=False)
        clock.advance(3500)
        (pending,) = await rows(emulator, settled=False)
        assert pending["response"] is None
        assert (await get(emulator, "/usage/breakdown"))["results"] == []
        assert (await get(emulator, "/billing/breakdown"))["results"] == []
        assert (await get(emulator, "/balances"))["balances"][0]["amount"] == 200
        clock.advance(100)
        (row,) = await rows(emulator)
        assert {**row, "response": None} == pending
        assert row["response"]["details"]["usd"] > 0
        assert (await get(emulator, "/usage/breakdown"))["results"][0]["requests"] == 1
        assert (await get(emulator, "/billing/breakdown"))["results"][0]["dollars"] > 0
        assert (await get(emulator, "/balances"))["balances"][0]["amount"] < 200


async def test_it_takes_a_moment_to_settle(emulator: Emulator) -> None:
    await spend(emulator)
    closed = time.monotonic()
    await rows(emulator)
    assert time.monotonic() - closed > 0.2


async def test_one_request_is_wrapped(prompt: Emulator) -> None:
    request_id = await spend(prompt)
    (row,) = await rows(prompt)
    assert await get(prompt, f"/requests/{request_id}") == {"request": row}


async def test_one_request_is_bare_on_request() -> None:
    async with Emulator(settlement_lag=0, wrapped=False) as emulator:
        request_id = await spend(emulator)
        (row,) = await rows(emulator)
        bare = (await ask(emulator, f"{PROJECT}/requests/{request_id}")).json
        assert bare == row
        check(bare, "ProjectRequestResponse")


@pytest.mark.parametrize("base", [slow(0), 1])
async def test_pages_from_either_base(base: int) -> None:
    async with Emulator(settlement_lag=0, page_base=base) as emulator:
        ids = [await spend(emulator) for _ in range(12)][::-1]
        assert [row["request_id"] for row in await rows(emulator, 12)] == ids  # the newest first
        pages = [await get(emulator, "/requests", limit=5, page=base + n) for n in range(4)]
        assert [[row["request_id"] for row in page["requests"]] for page in pages] == [ids[:5], ids[5:10], ids[10:], []]
        assert [(page["page"], page["limit"]) for page in pages] == [(base + n, 5) for n in range(4)]
        first = await get(emulator, "/requests")
        assert (first["page"], first["limit"], len(first["requests"])) == (base, 10, 10)


async def test_page_below_the_base_is_the_first() -> None:
    async with Emulator(settlement_lag=0, page_base=1) as emulator:
        await spend(emulator)
        await rows(emulator)
        assert await get(emulator, "/requests", page=0) == await get(emulator, "/requests", page=1)


async def test_there_are_two_bases() -> None:
    with pytest.raises(ValueError, match="page_base is 2: 0 or 1"):
        Emulator(page_base=2)


async def found(emulator: Emulator, **parameters: Any) -> list[str]:
    page = await get(emulator, "/requests", **parameters)
    return [row["request_id"] for row in page["requests"]]


async def test_filters_find_what_fits_and_nothing_else(prompt: Emulator) -> None:
    request_id = await spend(prompt)
    await spend(prompt)
    both = await rows(prompt, 2)
    accessor = both[0]["api_key_id"]
    assert await found(prompt, request_id=request_id) == [request_id]
    assert await found(prompt, request_id=prompt.project_id) == []
    assert len(await found(prompt, accessor=accessor)) == 2
    assert await found(prompt, accessor="somebody") == []
    ours = {"deployment": "hosted", "endpoint": "agent", "method": "streaming", "status": "succeeded"}
    assert len(await found(prompt, **ours, accessor=accessor)) == 2
    for name, other in {"deployment": "beta", "endpoint": "listen", "method": "sync", "status": "failed"}.items():
        assert await found(prompt, **{**ours, name: other}) == []
    assert await found(prompt, unknown="x") == [row["request_id"] for row in both]


@pytest.mark.parametrize(
    "parameters",
    [{name: "x"} for name in ("deployment", "endpoint", "method", "status", "limit", "page", "start", "end")]
    + [{"limit": 0}, {"limit": 1001}, {"page": -1}, {"request_id": ["a", "b"]}],
)
async def test_bad_value_is_400_and_named(prompt: Emulator, parameters: dict[str, Any]) -> None:
    ((name, value),) = parameters.items()
    values = value if isinstance(value, list) else [value]
    reply = await ask(prompt, f"{PROJECT}/requests?" + "&".join(f"{name}={each}" for each in values))
    assert reply.refusal() == (400, "Bad Request")
    assert reply.json["err_msg"].startswith(f"{name} ")


@pytest_asyncio.fixture
async def at_noon() -> AsyncIterator[Emulator]:
    """Its clock stands still."""
    clock = Clock(start=datetime(2026, 11, 23, 12, tzinfo=timezone.utc), speed=0)
    async with Emulator(settlement_lag=0, clock=clock) as emulator:
        yield emulator


async def test_time_range(at_noon: Emulator) -> None:
    prompt = at_noon
    request_id = await spend(prompt)
    await rows(prompt)
    inside = ["2026-11-23", "2026-11-23T12:00:00", "2026-11-23T12:00:00Z", "2026-11-23T13:00:00+01:00"]
    for moment in inside:
        assert await found(prompt, start=moment, end=moment) == [request_id]
    for outside in [{"start": "2026-11-24"}, {"start": "2026-11-23T12:00:01"}, {"start": "2026-11-23T12:00:00-01:00"}]:
        assert await found(prompt, **outside) == []
    for outside in [{"end": "2026-11-22"}, {"end": "2026-11-23T11:59:59"}, {"end": "2026-11-23T12:00:00+01:00"}]:
        assert await found(prompt, **outside) == []
    assert await found(prompt, start="0001-01-01T00:00:00+23:00", end="9999-12-31") == [request_id]


async def test_newest_first_is_by_beginning(prompt: Emulator) -> None:
    async with session(prompt) as older:
        newer = await spend(prompt)
    assert await rows(prompt, 2)
    assert await found(prompt) == [newer, older.seen[0]["request_id"]]


async def test_completed_is_after_created_across_midnight() -> None:
    late = datetime(2026, 11, 23, 23, 59, 59, 999_999, timezone.utc)
    clock = Clock(start=late, speed=0)
    async with Emulator(settlement_lag=0, clock=clock) as emulator:
        async with session(emulator):
            clock.advance(0.01)
        (row,) = await rows(emulator)
    assert row["created"] == "2026-11-23T23:59:59.999Z"
    assert row["response"]["completed"] == "2026-11-24T00:00:00.009Z"
