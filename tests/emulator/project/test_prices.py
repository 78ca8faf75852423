"""Tiers and prices: what Settings ask for, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.project.prices import USD_PER_MINUTE, Tiers, price_table, tier
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import get, rows
from tests.support.emulator_client import session

ADVANCED = {"provider": {"type": "open_ai", "model": "gpt-4o"}}
STANDARD = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}
OWN = {**STANDARD, "endpoint": {"url": "https://llm.example"}}
OWN_VOICE = {"provider": {"type": "eleven_labs"}, "endpoint": {"url": "https://tts.example"}}
DEEPGRAMS_VOICE = {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}
GROQ = {"provider": {"type": "groq", "model": "openai/gpt-oss-20b"}, "endpoint": {"url": "https://llm.example"}}


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ({}, "standard"),
        ({"think": STANDARD, "speak": DEEPGRAMS_VOICE}, "standard"),
        ({"think": STANDARD, "speak": OWN_VOICE}, "standard-byo-tts"),
        ({"think": ADVANCED}, "advanced"),
        ({"think": ADVANCED, "speak": OWN_VOICE}, "advanced-byo-tts"),
        ({"think": OWN}, "custom-byo-llm"),
        ({"think": {**ADVANCED, **OWN}, "speak": OWN_VOICE}, "custom-byo-llm-tts"),
        ({"think": [ADVANCED, STANDARD], "speak": [DEEPGRAMS_VOICE, OWN_VOICE]}, "advanced"),
        ({"think": [STANDARD, ADVANCED], "speak": [OWN_VOICE, DEEPGRAMS_VOICE]}, "standard-byo-tts"),
        ({"think": GROQ}, "standard"),
        ({"think": {"provider": {"type": "open_ai", "model": "nobody-knows-it"}}}, "standard"),
        ({"think": {"provider": {"type": "x", "model": ["gpt-4o"]}}, "speak": []}, "standard"),
    ],
)
def test_tier_of_an_agent(agent: Any, expected: str) -> None:
    assert tier(agent) == expected


def test_prices_are_overridden_one_by_one() -> None:
    table = price_table({"advanced": 0.1})
    assert (table["advanced"], table["standard"]) == (0.1, 0.075)


def test_price_of_a_tier_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no tier 'gold': standard, "):
        price_table({"gold": 1})


def changed(*changes: tuple[float, str]) -> Tiers:
    """The tiers of a session that began at 100 s as Standard."""
    tiers = Tiers(100, USD_PER_MINUTE)
    for moment, name in changes:
        tiers.change(moment, name)
    return tiers


@pytest.mark.parametrize(
    ("change", "price"),
    [("from-then-on", 0.25 * 0.075 + 0.5 * 0.163 + 0.25 * 0.05), ("first", 0.075), ("highest", 0.163)],
)
def test_price_of_a_session_whose_tier_changes_is_as_a_switch_says(change: str, price: float) -> None:
    tiers = changed((110, "advanced"), (130, "custom-byo-llm-tts"))
    assert tiers.last == "custom-byo-llm-tts"
    assert tiers.price(140, change) == pytest.approx(price)


@pytest.mark.parametrize("change", ["from-then-on", "first", "highest"])
def test_price_of_a_session_whose_tier_does_not_change_is_that_of_its_settings(change: str) -> None:
    tiers = changed()
    tiers.begin("advanced")  # counts from the beginning
    tiers.change(120, "advanced")
    assert tiers.price(140, change) == 0.163


@pytest.mark.parametrize(("change", "price"), [("from-then-on", 0.163), ("first", 0.075), ("highest", 0.163)])
def test_price_of_a_session_of_no_length(change: str, price: float) -> None:
    assert changed((100, "advanced")).price(100, change) == price


@pytest.mark.asyncio
async def test_each_session_is_billed_by_its_tier_and_price() -> None:
    clock = Clock(speed=0)
    agents = {"standard": {}, "advanced": {"think": ADVANCED}, "custom-byo-llm": {"think": OWN}}
    async with Emulator(settlement_lag=0, clock=clock, prices={"custom-byo-llm": 0.6}) as emulator:
        for agent in agents.values():
            async with session(emulator, agent=agent):
                clock.advance(60)
            await rows(emulator, list(agents.values()).index(agent) + 1)
        results = (await get(emulator, "/billing/breakdown", grouping="line_item"))["results"]
        dollars = {each["grouping"]["line_item"]: each["dollars"] for each in results}
        assert dollars == {
            "emulated::agent-standard": USD_PER_MINUTE["standard"],
            "emulated::agent-advanced": USD_PER_MINUTE["advanced"],
            "emulated::agent-custom-byo-llm": 0.6,
        }
        (only,) = (await get(emulator, "/billing/breakdown", line_item="emulated::agent-advanced"))["results"]
        assert only["dollars"] == USD_PER_MINUTE["advanced"]
        assert (await get(emulator, "/balances"))["balances"][0]["amount"] == pytest.approx(200 - 0.075 - 0.163 - 0.6)


@pytest.mark.asyncio
async def test_session_whose_settings_were_refused_is_standard() -> None:
    clock = Clock(speed=0)
    async with Emulator(settlement_lag=0, clock=clock) as emulator:
        async with session(emulator) as client:
            clock.advance(60)
            await client.send("Settings", agent={"think": ADVANCED}, tags="none")
            assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"
        (row,) = await rows(emulator)
        assert row["response"]["details"]["usd"] == USD_PER_MINUTE["standard"]
