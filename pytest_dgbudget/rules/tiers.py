"""The vendor's price classes: what an agent's ``think`` and ``speak`` blocks make of it.

Sources: models and their tiers from https://developers.deepgram.com/docs/voice-agent-llm-models (autumn 2026), their
ids from there and from the vendor's changelogs of 2026. The exact ids of NVIDIA's models were not to be had: they
count as unknown, like every other variant of a name that is not listed. Which tier a list of fallbacks has is not
documented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_dgbudget.model import Tier

ThinkKind = Literal["standard", "advanced", "custom"]
SpeakKind = Literal["deepgram", "custom"]

# Provider and model.
_STANDARD = (
    ("open_ai", "gpt-5.4-nano"),
    ("open_ai", "gpt-5.4-mini"),
    ("open_ai", "gpt-5-nano"),
    ("open_ai", "gpt-5-mini"),
    ("open_ai", "gpt-4.1-nano"),
    ("open_ai", "gpt-4.1-mini"),
    ("open_ai", "gpt-4o-mini"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-3-5-haiku-latest"),
    ("google", "gemini-3.5-flash"),
    ("google", "gemini-3.1-flash-lite"),
    ("google", "gemini-3.1-flash-lite-preview"),
    ("google", "gemini-3-flash-preview"),
    ("google", "gemini-2.5-flash"),
    ("google", "gemini-2.0-flash-lite"),
    ("groq", "openai/gpt-oss-20b"),
)
_ADVANCED = (
    ("open_ai", "gpt-5.5"),
    ("open_ai", "gpt-5.4"),
    # The vendor writes these three with and without "-latest".
    ("open_ai", "gpt-5.3-chat"),
    ("open_ai", "gpt-5.3-chat-latest"),
    ("open_ai", "gpt-5.2"),
    ("open_ai", "gpt-5.2-chat"),
    ("open_ai", "gpt-5.2-chat-latest"),
    ("open_ai", "gpt-5.1"),
    ("open_ai", "gpt-5.1-chat"),
    ("open_ai", "gpt-5.1-chat-latest"),
    ("open_ai", "gpt-5"),
    ("open_ai", "gpt-4.1"),
    ("open_ai", "gpt-4o"),
    ("anthropic", "claude-sonnet-5"),
    ("anthropic", "claude-sonnet-4-6"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-sonnet-4-20250514"),
    ("google", "gemini-3-pro-preview"),
)
_MANAGED: Mapping[tuple[str, str], ThinkKind] = {
    **dict.fromkeys(_STANDARD, "standard"),
    **dict.fromkeys(_ADVANCED, "advanced"),
}
# A think provider without a type is one of the vendor's own choice.
_MANAGED_BY_MODEL: Mapping[str, ThinkKind] = {model: kind for (_, model), kind in _MANAGED.items()}
# Listed as managed, although it needs an endpoint.
_MANAGED_AT_AN_ENDPOINT = "groq"

_TIER_OF: Mapping[tuple[ThinkKind | None, SpeakKind | None], Tier] = {
    ("standard", "deepgram"): "standard",
    ("standard", "custom"): "standard-byo-tts",
    ("custom", "deepgram"): "custom-byo-llm",
    ("custom", "custom"): "custom-byo-llm-tts",
    ("advanced", "deepgram"): "advanced",
    ("advanced", "custom"): "advanced-byo-tts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkBlock:
    """What a ``think`` block may be: the kinds of its entries (None: unknown), several in a list of fallbacks."""

    kinds: tuple[ThinkKind | None, ...]
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakBlock:
    """What a ``speak`` block may be; as for ``ThinkBlock``."""

    kinds: tuple[SpeakKind | None, ...]
    estimated: bool


UNKNOWN_THINK = ThinkBlock(kinds=(None,), estimated=True)
UNKNOWN_SPEAK = SpeakBlock(kinds=(None,), estimated=True)


def read_think(block: Any) -> ThinkBlock:
    """Return what a JSON value in the place of a ``think`` block means; never raises."""
    kinds = _each(block, _think_kind)
    return ThinkBlock(kinds=kinds, estimated=isinstance(block, list) or None in kinds)


def read_speak(block: Any) -> SpeakBlock:
    """Return what a JSON value in the place of a ``speak`` block means; never raises."""
    kinds = _each(block, _speak_kind)
    return SpeakBlock(kinds=kinds, estimated=isinstance(block, list) or None in kinds)


def read_agent(agent: Any) -> tuple[ThinkBlock, SpeakBlock]:
    """Return both blocks of the ``agent`` of Settings: nothing is known of one that is named by its id.

    Without a ``speak`` block the voice is Deepgram's. What ``think_live`` costs is not documented.
    """
    if not isinstance(agent, Mapping):
        return UNKNOWN_THINK, UNKNOWN_SPEAK
    think = UNKNOWN_THINK if "think_live" in agent else read_think(agent.get("think"))
    speak = agent.get("speak")
    return think, read_speak({} if speak is None else speak)


def possible_tiers(think: ThinkBlock, speak: SpeakBlock) -> set[Tier | None]:
    """Return each tier that an agent of these blocks may have; None among them: one that is not known."""
    return {_TIER_OF.get((of_think, of_speak)) for of_think in think.kinds for of_speak in speak.kinds}


def _each(block: Any, kind_of: Callable[[Any], Any]) -> tuple[Any, ...]:
    entries = block if isinstance(block, list) else [block]
    return tuple(dict.fromkeys(map(kind_of, entries))) or (None,)


def _think_kind(block: Any) -> ThinkKind | None:
    provider = block.get("provider") if isinstance(block, Mapping) else None
    if not isinstance(provider, Mapping):
        return None
    managed = _managed_kind(provider.get("type"), provider.get("model"))
    endpoint = block.get("endpoint")
    if endpoint is None or (managed and provider.get("type") == _MANAGED_AT_AN_ENDPOINT):
        return managed
    return "custom" if _has_url(endpoint) and isinstance(provider.get("type"), str) else None


def _managed_kind(provider_type: Any, model: Any) -> ThinkKind | None:
    if not isinstance(model, str):
        return None
    if provider_type is None:
        return _MANAGED_BY_MODEL.get(model)
    return _MANAGED.get((provider_type, model)) if isinstance(provider_type, str) else None


def _has_url(endpoint: Any) -> bool:
    url = endpoint.get("url") if isinstance(endpoint, Mapping) else None
    return isinstance(url, str) and url != ""


def _speak_kind(block: Any) -> SpeakKind | None:
    provider = block.get("provider", {}) if isinstance(block, Mapping) else None
    provider_type = provider.get("type", "deepgram") if isinstance(provider, Mapping) else None
    if not isinstance(provider_type, str):
        return None
    return "deepgram" if provider_type == "deepgram" else "custom"
