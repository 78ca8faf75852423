"""What a minute costs: the tier that Settings ask for, and its price. Pure.

Managed models and their tiers: the vendor's page "Voice Agent LLM Models" (copies of August to October 2026). Prices:
the vendor's own page could not be read; they are from other people's copies of 2026-06-25, pay as you go; Standard was
checked again on 2026-09-28. Later prices are not known, hence ``--price``.

The emulator's choices, where the vendor documents nothing: the first of several fallbacks decides; a custom endpoint
makes a custom LLM, except for Groq's listed model, which always needs one; any voice but Deepgram's is a custom voice;
a managed model that is in neither list is Standard. What a change of tier costs is not documented: a switch decides.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

AS_OF = "2026-09-28"
STANDARD = "standard"
USD_PER_MINUTE: Mapping[str, float] = MappingProxyType(
    {
        STANDARD: 0.075,
        "standard-byo-tts": 0.065,
        "custom-byo-llm": 0.065,  # some copies have 0.056 or 0.059
        "custom-byo-llm-tts": 0.050,
        "advanced": 0.163,
        "advanced-byo-tts": 0.122,
    }
)
ADVANCED_MODELS = (
    "gpt-5.5", "gpt-5.4", "gpt-5.3-chat", "gpt-5.3-chat-latest", "gpt-5.2", "gpt-5.2-chat", "gpt-5.2-chat-latest",
    "gpt-5.1", "gpt-5.1-chat", "gpt-5.1-chat-latest", "gpt-5", "gpt-4.1", "gpt-4o", "claude-sonnet-5",
    "claude-sonnet-4-6", "claude-sonnet-4-5", "claude-sonnet-4-20250514", "gemini-3-pro-preview",
)  # fmt: skip
STANDARD_MODELS = (
    "gpt-5.4-nano", "gpt-5.4-mini", "gpt-5-nano", "gpt-5-mini", "gpt-4.1-nano", "gpt-4.1-mini", "gpt-4o-mini",
    "claude-haiku-4-5", "claude-3-5-haiku-latest", "gemini-3.5-flash", "gemini-3.1-flash-lite",
    "gemini-3.1-flash-lite-preview", "gemini-3-flash-preview", "gemini-2.5-flash", "gemini-2.0-flash",
    "gemini-2.0-flash-lite", "openai/gpt-oss-20b", "think-fast", "phonellm-mini-alpha-2-fp8",
)  # fmt: skip
MANAGED_MODELS = frozenset((*STANDARD_MODELS, *ADVANCED_MODELS))
_LISTED_WITH_AN_ENDPOINT = "groq"


def tier(agent: Mapping[str, Any]) -> str:
    """Return the tier of the agent of accepted Settings."""
    think, speak = (_first(agent.get(name)) for name in ("think", "speak"))
    llm, voice = (_mapping(block.get("provider")) for block in (think, speak))
    own_voice = voice.get("type", "deepgram") != "deepgram"
    if think.get("endpoint") and llm.get("type") != _LISTED_WITH_AN_ENDPOINT:
        return "custom-byo-llm-tts" if own_voice else "custom-byo-llm"
    managed = "advanced" if llm.get("model") in ADVANCED_MODELS else STANDARD
    return f"{managed}-byo-tts" if own_voice else managed


class Tiers:
    """The tiers of one session, one after another; moments are seconds of the project's clock."""

    def __init__(self, opened_at: float, prices: Mapping[str, float]) -> None:
        self._prices = prices
        self._since = [(opened_at, STANDARD)]

    @property
    def last(self) -> str:
        return self._since[-1][1]

    def begin(self, tier: str) -> None:
        """Take the tier of Settings, which counts from the beginning."""
        self._since = [(self._since[0][0], tier)]

    def change(self, moment: float, tier: str) -> None:
        if tier != self.last:
            self._since.append((moment, tier))

    def price(self, closed_at: float, change: str) -> float:
        """Return the USD per minute of the whole session, by the switch ``tier_change``."""
        prices = [self._prices[tier] for _, tier in self._since]
        if change == "first":
            return prices[0]
        if change == "highest":
            return max(prices)
        ends = [*(moment for moment, _ in self._since[1:]), closed_at]
        lengths = [end - began for end, (began, _) in zip(ends, self._since, strict=True)]
        seconds = sum(lengths)
        return sum(map(operator.mul, lengths, prices)) / seconds if seconds > 0 else prices[-1]

    def further_price(self, moment: float, change: str) -> float:
        """Return the USD per minute of what comes after this moment in the last tier, by the switch ``tier_change``."""
        return self._prices[self.last] if change == "from-then-on" else self.price(moment, change)


def price_table(changes: Mapping[str, float]) -> dict[str, float]:
    """Return the built-in prices with these changes; raises ValueError for an unknown tier."""
    unknown = sorted(set(changes) - set(USD_PER_MINUTE))
    if unknown:
        raise ValueError(f"there is no tier {unknown[0]!r}: {', '.join(USD_PER_MINUTE)}")
    return {**USD_PER_MINUTE, **changes}


def _first(value: Any) -> Mapping[str, Any]:
    return _mapping(value[0] if isinstance(value, list) and value else value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
