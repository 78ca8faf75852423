"""What there is to filter by, and the models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timezone

import pytest
import pytest_asyncio

from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import PROJECT, ask, call, get, rows
from tests.support.emulator_client import session

pytestmark = pytest.mark.asyncio

ADVANCED = {"think": {"provider": {"type": "open_ai", "model": "gpt-4o"}}}


@pytest_asyncio.fixture
async def two_days() -> AsyncIterator[Emulator]:
    clock = Clock(start=datetime(2026, 11, 23, 23, 59, tzinfo=timezone.utc), speed=0)
    async with Emulator(settlement_lag=0, clock=clock) as emulator:
        async with session(emulator, tags=["b", "a"]):
            clock.advance(60)
        async with session(emulator, tags=["c"], agent=ADVANCED):
            pass
        await rows(emulator, 2)
        yield emulator


async def test_nothing_used_is_nothing_to_filter_by(emulator: Emulator) -> None:
    nothing: dict[str, list[str]] = {"tags": [], "models": [], "processing_methods": [], "features": []}
    assert await get(emulator, "/usage/fields") == nothing
    nothing_billed: dict[str, object] = {"accessors": [], "deployments": [], "tags": [], "line_items": {}}
    assert await get(emulator, "/billing/fields") == nothing_billed


async def test_usage_fields_are_those_of_the_period(two_days: Emulator) -> None:
    fields = await get(two_days, "/usage/fields")
    assert fields == {"tags": ["a", "b", "c"], "models": [], "processing_methods": ["streaming"], "features": []}
    assert (await get(two_days, "/usage/fields", end="2026-11-23"))["tags"] == ["a", "b"]
    assert (await get(two_days, "/usage/fields", start="2026-11-24"))["tags"] == ["c"]


async def test_billing_fields_name_what_the_breakdown_can_be_filtered_by(two_days: Emulator) -> None:
    fields = await get(two_days, "/billing/fields")
    assert (fields["deployments"], fields["tags"]) == (["hosted"], ["a", "b", "c"])
    assert set(fields["line_items"]) == {"emulated::agent-standard", "emulated::agent-advanced"}
    (accessor,) = fields["accessors"]
    for name, value in [("accessor", accessor), *(("line_item", item) for item in fields["line_items"])]:
        assert (await get(two_days, "/billing/breakdown", **{name: value}))["results"]
    only = await get(two_days, "/billing/fields", start="2026-11-24", end="2026-11-24")
    assert (only["tags"], list(only["line_items"])) == (["c"], ["emulated::agent-advanced"])


async def test_what_is_not_settled_is_in_no_fields() -> None:
    async with Emulator(settlement_lag=3600) as emulator:
        async with session(emulator, tags=["a"]):
            pass
        await rows(emulator, settled=False)
        assert (await get(emulator, "/usage/fields"))["tags"] == []
        assert (await get(emulator, "/billing/fields"))["line_items"] == {}


@pytest.mark.parametrize("path", ["/usage/fields", "/billing/fields"])
async def test_bad_day_is_400_and_named(emulator: Emulator, path: str) -> None:
    reply = await ask(emulator, f"{PROJECT}{path}?start=yesterday")
    assert reply.refusal() == (400, "Bad Request")
    assert reply.json["err_msg"].startswith("start ")


@pytest.mark.parametrize("above", ["/v1", PROJECT])
async def test_every_model_of_the_list_can_be_asked_for(emulator: Emulator, above: str) -> None:
    listed = await call(emulator, "GET", f"{above}/models", query="include_outdated=true")
    assert "nova-3" in {model["name"] for model in listed["stt"]}
    assert "aura-2-thalia-en" in {model["name"] for model in listed["tts"]}
    for model in (*listed["stt"], *listed["tts"]):
        assert await call(emulator, "GET", f"{above}/models/{model['uuid']}") == model


async def test_outdated_models_are_asked_for_by_a_boolean(emulator: Emulator) -> None:
    assert (await ask(emulator, "/v1/models?include_outdated=x")).refusal() == (400, "Bad Request")
