"""What a session costs: the price of each tier, the tier of a session from the messages that pass, and the sum.

Integers throughout: micro-dollars (millionths of a US dollar) and milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.model import TIERS, Tier, TierSpan
from pytest_dgbudget.rules.tiers import (
    UNKNOWN_SPEAK,
    UNKNOWN_THINK,
    SpeakBlock,
    ThinkBlock,
    possible_tiers,
    read_agent,
    read_speak,
    read_think,
)
from pytest_dgbudget.units import MINUTE_MS, rounded_up


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """The price of every tier, in micro-dollars a minute, as it was on a day (ISO date ``as_of``)."""

    as_of: str
    micro_usd_per_minute: Mapping[Tier, int]

    def highest(self) -> int:
        """Return the price of the dearest tier: what counts where none is known."""
        return max(self.micro_usd_per_minute.values())


# Pay as you go, list prices. The vendor's own page could not be read: these are others' copies of it, all captured on
# 2026-06-25. A promotion with lower prices ended on 2026-09-12; Standard was seen at this price again on 2026-09-28.
SHIPPED = PriceTable(
    as_of="2026-06-25",
    micro_usd_per_minute={
        "standard": 75_000,
        "standard-byo-tts": 65_000,
        "custom-byo-llm": 65_000,  # some copies have 59,000 and 56,000; the vendor's $3.90 an hour is this one
        "custom-byo-llm-tts": 50_000,
        "advanced": 163_000,
        "advanced-byo-tts": 122_000,
    },
)


def price_table(overrides: Mapping[str, int], as_of: str | None) -> PriceTable:
    """Return the shipped prices with these in their place, by tier, in micro-dollars a minute.

    ``as_of`` is the day of the overrides; None: the shipped table's stands.
    """
    prices = {tier: overrides.get(tier, price) for tier, price in SHIPPED.micro_usd_per_minute.items()}
    return PriceTable(as_of=as_of or SHIPPED.as_of, micro_usd_per_minute=prices)


@dataclass(frozen=True, slots=True)
class Rate:
    """What a session costs from some moment on; ``tier`` None: not known, and the highest price counts.

    ``estimated``: what passed does not settle the price, so it is the highest that it may be.
    """

    tier: Tier | None
    micro_usd_per_minute: int
    estimated: bool


class AgentTier:
    """The tier of one session, from the messages that its client sends. Its methods take any JSON and never raise.

    Until Settings pass, and for an agent named by its id, an unknown model or anything of a wrong type, the highest
    price counts; for a list of fallbacks that of its dearest entry. Both are estimates.

    After a message that couldn't be read, either block may be another one, so each is unknown until its next
    UpdateThink or UpdateSpeak: these replace a block whole, whatever was missed, while Settings that follow may be the
    second ones, which the vendor refuses.
    """

    def __init__(self, prices: PriceTable) -> None:
        self._prices = prices
        self._has_settings = False
        self._think: ThinkBlock = UNKNOWN_THINK
        self._speak: SpeakBlock = UNKNOWN_SPEAK
        self.rate = self._judge()

    def settings(self, message: Mapping[str, Any]) -> Rate:
        """Take the whole Settings message; only the first one counts: the vendor refuses others."""
        if not self._has_settings:
            self._has_settings = True
            self._think, self._speak = read_agent(_field(message, "agent"))
        return self._updated()

    def update_think(self, message: Mapping[str, Any]) -> Rate:
        """Take an UpdateThink, which replaces the whole block; before Settings the vendor refuses it."""
        if self._has_settings:
            self._think = read_think(_field(message, "think"))
        return self._updated()

    def update_speak(self, message: Mapping[str, Any]) -> Rate:
        """Take an UpdateSpeak, which replaces the whole block; before Settings the vendor refuses it."""
        if self._has_settings:
            self._speak = read_speak(_field(message, "speak"))
        return self._updated()

    def unreadable(self) -> Rate:
        """Take a message that was too long to be read, or no JSON: it may have been any of these."""
        self._has_settings = True
        self._think, self._speak = UNKNOWN_THINK, UNKNOWN_SPEAK
        return self._updated()

    def _updated(self) -> Rate:
        self.rate = self._judge()
        return self.rate

    def _judge(self) -> Rate:
        tiers = possible_tiers(self._think, self._speak)
        if None in tiers:
            return Rate(None, self._prices.highest(), True)
        prices = self._prices.micro_usd_per_minute
        dearest = max((tier for tier in TIERS if tier in tiers), key=lambda tier: prices[tier])
        return Rate(dearest, prices[dearest], self._think.estimated or self._speak.estimated)


def _field(message: Any, name: str) -> Any:
    return message.get(name) if isinstance(message, Mapping) else None


def price_of(ms: int, micro_usd_per_minute: int) -> int:
    """Return what so much time costs at one price, in micro-dollars, rounded up."""
    return rounded_up(ms * micro_usd_per_minute, MINUTE_MS)


def cost_micro_usd(spans: Iterable[TierSpan]) -> int:
    """Return what these parts of one session cost together, in micro-dollars, rounded up once."""
    return rounded_up(sum(span.ms * span.micro_usd_per_minute for span in spans), MINUTE_MS)
