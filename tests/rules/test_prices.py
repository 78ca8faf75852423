"""What a session costs: the tier that its messages ask for, and the sum of its parts."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.model import TIERS, TierSpan
from pytest_dgbudget.rules.prices import (
    SHIPPED,
    AgentTier,
    PriceTable,
    Rate,
    cost_micro_usd,
    price_of,
    price_table,
)
from pytest_dgbudget.units import usd

from .strategies import VALUES

Json = dict[str, Any]

# Each price is another one, so that a price names its tier.
PRICES = price_table({"standard-byo-tts": 60_000}, None)
UNKNOWN = Rate(None, 163_000, True)

STANDARD: Json = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}
ADVANCED: Json = {"provider": {"type": "anthropic", "model": "claude-sonnet-4-5"}, "prompt": "Be brief."}
CUSTOM: Json = {"provider": {"type": "open_ai", "model": "mine"}, "endpoint": {"url": "https://llm.example"}}
DEEPGRAM: Json = {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}
ELEVEN_LABS: Json = {"provider": {"type": "eleven_labs"}, "endpoint": {"url": "wss://tts.example"}}
UNLISTED: Json = {"provider": {"type": "open_ai", "model": "gpt-4o-mini-2024-07-18"}}

THINKS = [STANDARD, ADVANCED, CUSTOM]
SPEAKS = [DEEPGRAM, ELEVEN_LABS]
TIER_OF = {
    (0, 0): "standard",
    (0, 1): "standard-byo-tts",
    (1, 0): "advanced",
    (1, 1): "advanced-byo-tts",
    (2, 0): "custom-byo-llm",
    (2, 1): "custom-byo-llm-tts",
}


def settings(agent: object) -> Json:
    return {"type": "Settings", "audio": {}, "agent": agent}


def rate_of(think: object, speak: object = DEEPGRAM, prices: PriceTable = PRICES) -> Rate:
    return AgentTier(prices).settings(settings({"think": think, "speak": speak}))


def exactly(tier: Any) -> Rate:
    return Rate(tier, PRICES.micro_usd_per_minute[tier], False)


# The table


def test_the_shipped_table_prices_every_tier_and_is_dated() -> None:
    assert set(SHIPPED.micro_usd_per_minute) == set(TIERS)
    assert SHIPPED.as_of == "2026-06-25"
    assert SHIPPED.highest() == 163_000


def test_overrides_stand_over_the_shipped_prices_and_a_day_of_their_own_over_the_shipped_one() -> None:
    table = price_table({"standard": 200_000, "advanced": 0}, "2026-11-01")
    assert table.as_of == "2026-11-01"
    expected = {**SHIPPED.micro_usd_per_minute, "standard": 200_000, "advanced": 0}
    assert table.micro_usd_per_minute == expected
    assert table.highest() == 200_000


def test_overrides_without_a_day_leave_the_shipped_one() -> None:
    assert price_table({"standard": 1}, None).as_of == SHIPPED.as_of


# The tier of Settings


def test_before_settings_the_highest_price_counts() -> None:
    assert AgentTier(PRICES).rate == UNKNOWN


@pytest.mark.parametrize(("think", "speak"), TIER_OF)
def test_a_known_agent_has_its_tier_and_nothing_is_estimated(think: int, speak: int) -> None:
    assert rate_of(THINKS[think], SPEAKS[speak]) == exactly(TIER_OF[think, speak])


@pytest.mark.parametrize("speak", [None, {}, {"provider": {}}, {"provider": {"model": "aura-2-thalia-en"}}], ids=repr)
def test_without_a_speak_provider_the_voice_is_deepgrams(speak: object) -> None:
    assert rate_of(STANDARD, speak) == exactly("standard")


def test_settings_without_a_speak_block_have_deepgrams_voice() -> None:
    assert AgentTier(PRICES).settings(settings({"think": STANDARD})) == exactly("standard")


@pytest.mark.parametrize(
    "agent", ["0f8fad5b-d9cb-469f-a165-70867728950e", None, 5, [], {}, {"speak": DEEPGRAM}], ids=repr
)
def test_an_agent_by_its_id_or_without_think_is_unknown(agent: object) -> None:
    assert AgentTier(PRICES).settings(settings(agent)) == UNKNOWN


@pytest.mark.parametrize(
    "think",
    [
        UNLISTED,
        {"provider": {"type": "open_ai", "model": "GPT-4o-mini"}},
        {"provider": {"type": "anthropic", "model": "gpt-4o-mini"}},
        {"provider": {"type": "open_ai"}},
        {"provider": {"type": "open_ai", "model": ["gpt-4o-mini"]}},
        {"provider": {"type": ["open_ai"], "model": "gpt-4o-mini"}},
        {"provider": {"type": "deepgram", "model": "think-fast"}},
        {"provider": "open_ai"},
        {"endpoint": {"url": "https://llm.example"}},
        {**STANDARD, "endpoint": {"headers": {}}},
        {**STANDARD, "endpoint": {"url": ""}},
        {**STANDARD, "endpoint": "https://llm.example"},
        "open_ai",
        [],
        [[STANDARD]],
        None,
    ],
    ids=repr,
)
def test_what_is_not_listed_or_of_a_wrong_type_counts_as_the_highest_price(think: object) -> None:
    assert rate_of(think) == UNKNOWN


@pytest.mark.parametrize("speak", ["deepgram", 5, [], [None], {"provider": "x"}, {"provider": {"type": 5}}], ids=repr)
def test_a_speak_block_of_a_wrong_type_counts_as_the_highest_price(speak: object) -> None:
    assert rate_of(STANDARD, speak) == UNKNOWN


def test_a_think_block_of_a_kind_without_a_documented_price_is_unknown() -> None:
    agent = {"think": STANDARD, "think_live": {}}
    assert AgentTier(PRICES).settings(settings(agent)) == UNKNOWN


def test_a_managed_model_behind_an_endpoint_of_ones_own_is_custom() -> None:
    assert rate_of({**ADVANCED, "endpoint": {"url": "https://llm.example"}}) == exactly("custom-byo-llm")


def test_a_listed_model_that_needs_an_endpoint_is_managed_and_any_other_there_is_custom() -> None:
    endpoint = {"url": "https://api.groq.com/openai/v1/chat/completions"}
    listed = {"provider": {"type": "groq", "model": "openai/gpt-oss-20b"}, "endpoint": endpoint}
    other = {"provider": {"type": "groq", "model": "llama-3.3-70b"}, "endpoint": endpoint}
    assert rate_of(listed) == exactly("standard")
    assert rate_of(other) == exactly("custom-byo-llm")


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        ("open_ai", "gpt-5.2-chat-latest", "advanced"),
        ("open_ai", "gpt-5.2", "advanced"),
        ("open_ai", "gpt-5-mini", "standard"),
        ("anthropic", "claude-3-5-haiku-latest", "standard"),
        ("google", "gemini-2.5-flash", "standard"),
        ("google", "gemini-3-pro-preview", "advanced"),
    ],
)
def test_a_listed_variant_has_the_tier_that_the_vendor_lists(provider: str, model: str, tier: str) -> None:
    assert rate_of({"provider": {"type": provider, "model": model}}) == exactly(tier)


def test_a_listed_model_without_a_provider_type_has_its_tier() -> None:
    assert rate_of({"provider": {"model": "claude-sonnet-4-5"}}) == exactly("advanced")


def test_second_settings_change_nothing() -> None:
    tier = AgentTier(PRICES)
    tier.settings(settings({"think": ADVANCED}))
    assert tier.settings(settings({"think": CUSTOM})) == exactly("advanced")


# Fallbacks

ENTRIES = st.sampled_from([*THINKS, UNLISTED])
OVERRIDES = st.fixed_dictionaries({str(tier): st.integers(0, 200_000) for tier in TIERS})
TABLES = OVERRIDES.map(lambda prices: price_table(prices, None))


@given(st.lists(ENTRIES, min_size=1, max_size=4), st.sampled_from(SPEAKS), TABLES)
def test_the_rate_of_a_fallback_list_is_that_of_its_dearest_entry(
    entries: list[Json], speak: Json, prices: PriceTable
) -> None:
    rate = rate_of(entries, speak, prices)
    each = [rate_of(entry, speak, prices) for entry in entries]
    assert rate.micro_usd_per_minute == max(one.micro_usd_per_minute for one in each)
    assert rate.estimated
    assert rate.tier in {one.tier for one in each}


@given(st.lists(st.sampled_from(SPEAKS), min_size=1, max_size=3), st.sampled_from(THINKS), TABLES)
def test_the_rate_of_fallback_voices_is_that_of_the_dearest(
    voices: list[Json], think: Json, prices: PriceTable
) -> None:
    rate = rate_of(think, voices, prices)
    each = [rate_of(think, voice, prices) for voice in voices]
    assert rate.micro_usd_per_minute == max(one.micro_usd_per_minute for one in each)
    assert rate.estimated


# What changes on the way


def test_an_update_replaces_its_whole_block() -> None:
    tier = AgentTier(PRICES)
    tier.settings(settings({"think": CUSTOM, "speak": DEEPGRAM}))
    assert tier.update_think({"type": "UpdateThink", "think": ADVANCED}) == exactly("advanced")
    assert tier.rate == exactly("advanced")
    assert tier.update_speak({"type": "UpdateSpeak", "speak": ELEVEN_LABS}) == exactly("advanced-byo-tts")
    assert tier.update_think({"type": "UpdateThink", "think": STANDARD}) == exactly("standard-byo-tts")
    assert tier.update_speak({"type": "UpdateSpeak"}) == UNKNOWN
    assert tier.rate == UNKNOWN


def test_an_update_before_settings_makes_nothing_known() -> None:
    tier = AgentTier(PRICES)
    assert tier.update_think({"think": STANDARD}) == tier.update_speak({"speak": DEEPGRAM}) == UNKNOWN
    assert tier.settings(settings({"think": CUSTOM})) == exactly("custom-byo-llm")


def test_an_agent_by_its_id_is_known_once_both_blocks_have_been_replaced() -> None:
    tier = AgentTier(PRICES)
    tier.settings(settings("0f8fad5b-d9cb-469f-a165-70867728950e"))
    assert tier.update_speak({"speak": ELEVEN_LABS}) == UNKNOWN
    assert tier.update_think({"think": STANDARD}) == exactly("standard-byo-tts")


@pytest.mark.parametrize("has_settings", [True, False])
def test_what_could_not_be_read_makes_both_blocks_unknown_until_each_is_replaced(has_settings: bool) -> None:
    tier = AgentTier(PRICES)
    if has_settings:
        tier.settings(settings({"think": STANDARD}))
    assert tier.unreadable() == UNKNOWN
    assert tier.update_think({"think": STANDARD}) == UNKNOWN
    assert tier.update_speak({"speak": DEEPGRAM}) == exactly("standard")


def test_settings_after_a_message_that_could_not_be_read_may_be_refused_ones_and_prove_nothing() -> None:
    tier = AgentTier(PRICES)
    tier.unreadable()
    assert tier.settings(settings({"think": CUSTOM})) == UNKNOWN


# Whatever comes

FIELDS = ["agent", "think", "speak", "provider", "endpoint", "url", "type", "model"]
TEXTS = st.sampled_from(["deepgram", "open_ai", "groq", "gpt-4o-mini", "openai/gpt-oss-20b"])
ALMOST = st.recursive(
    VALUES | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)
STEPS = st.tuples(st.sampled_from(["settings", "update_think", "update_speak"]), ALMOST)


@given(st.lists(STEPS, max_size=4), ALMOST)
def test_no_json_raises_and_every_rate_is_one_of_the_table(steps: list[tuple[str, Any]], agent: Any) -> None:
    tier = AgentTier(PRICES)
    for method, message in [("settings", settings(agent)), *steps]:
        rate = getattr(tier, method)(message)
        assert rate == tier.rate
        assert rate == UNKNOWN or rate.micro_usd_per_minute == PRICES.micro_usd_per_minute[rate.tier]


# The sum

SPANS = st.builds(
    TierSpan,
    from_ms=st.just(0),
    ms=st.integers(0, 7_200_000),
    tier=st.just("standard"),
    micro_usd_per_minute=st.integers(0, 10**9),
    estimated=st.booleans(),
)


@given(st.lists(SPANS, max_size=6))
def test_a_cost_is_rounded_up_once_and_exactly(spans: list[TierSpan]) -> None:
    assert cost_micro_usd(spans) == ceil(sum(Fraction(s.ms * s.micro_usd_per_minute, 60_000) for s in spans))


@given(st.integers(0, 7_200_000), st.integers(0, 10**9))
def test_a_price_is_rounded_up_exactly(ms: int, micro_usd_per_minute: int) -> None:
    assert price_of(ms, micro_usd_per_minute) == ceil(Fraction(ms * micro_usd_per_minute, 60_000))


def test_dollars_are_decimal() -> None:
    assert (usd(0), usd(75_000), usd(1)) == (0.0, 0.075, 0.000001)
