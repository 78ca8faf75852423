"""The providers that Settings and the Update messages name: their types and required fields. Pure.

Facts: the vendor's AsyncAPI file of 2026-07-22; ``nvidia`` and think by ``deepgram``: the official Python SDK 7.17.0.
Models and voices are not checked: the vendor adds new ones every month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.agent.checks import field, invalid, number, one_of, strings
from pytest_dgbudget.emulator.audio.voice_activity import SILENCE_MS

LISTEN = ("deepgram",)
LISTEN_VERSIONS = ("v1", "v2")
THINK = ("open_ai", "anthropic", "google", "nvidia", "groq", "aws_bedrock", "deepgram")
SPEAK = ("deepgram", "eleven_labs", "cartesia", "open_ai", "aws_polly")
MULTILINGUAL = "flux-general-multi"

EOT_THRESHOLD = 0.7  # the vendor's default; 0.5 to 0.9
_MS_PER_THRESHOLD = 1000  # the emulator's choice: 0.2 more confidence takes 200 ms more silence
_LONGEST_MS = 600_000  # the emulator's choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """How a listen provider sets turn detection; ``hints`` is None unless the model is the multilingual one."""

    flux: bool = False
    silence_ms: int = SILENCE_MS
    hints: tuple[str, ...] | None = None


def listen(block: Any, where: str) -> Listen:
    """Return what an ``UpdateListen``'s or Settings' ``listen`` asks for."""
    named = provider(block, where, LISTEN)
    where = f"{where}.provider"
    version = one_of(named.get("version") or "v1", LISTEN_VERSIONS, f"{where}.version")
    model = field(named, "model", str, where)
    strings(named, "keyterms", where)
    if version == "v1":
        return Listen()
    if model is None:
        raise invalid(f"{where}.model is missing; version v2 needs one")
    hints = strings(named, "language_hints", where)
    return Listen(flux=True, silence_ms=_silence_ms(named, where), hints=hints if model == MULTILINGUAL else None)


def provider(block: Any, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the block's ``provider``, which is one of these types."""
    named = block.get("provider") if isinstance(block, dict) else None
    if not isinstance(named, dict):
        raise invalid(f"{where}.provider must be an object")
    one_of(named.get("type"), known, f"{where}.provider.type")
    return named


def speak(block: Any, where: str) -> None:
    """Check one ``speak`` block: voices other than Deepgram's need an endpoint."""
    named = provider(block, where, SPEAK)
    _endpoint(block, where)
    if named["type"] != "deepgram" and block.get("endpoint") is None:
        raise invalid(f"{where}.endpoint is missing; all voices but Deepgram's own need one")


def think(block: Any, where: str) -> None:
    """Check one ``think`` block: an endpoint is optional, its URL is not."""
    provider(block, where, THINK)
    _endpoint(block, where)


def _endpoint(block: Mapping[str, Any], where: str) -> None:
    endpoint = field(block, "endpoint", dict, where)
    if endpoint is not None and field(endpoint, "url", str, f"{where}.endpoint") is None:
        raise invalid(f"{where}.endpoint.url is missing")


def _silence_ms(named: Mapping[str, Any], where: str) -> int:
    """Return the silence that ends a turn: longer for a higher threshold, never longer than ``eot_timeout_ms``."""
    threshold = number(named, "eot_threshold", where, 0.5, 0.9)
    number(named, "eager_eot_threshold", where, 0.3, 0.9)
    longest = number(named, "eot_timeout_ms", where, 1, _LONGEST_MS)
    above = (EOT_THRESHOLD if threshold is None else threshold) - EOT_THRESHOLD
    silence = round(SILENCE_MS + above * _MS_PER_THRESHOLD)
    return silence if longest is None else min(silence, int(longest))
