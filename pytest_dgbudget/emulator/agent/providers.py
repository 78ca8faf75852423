"""The providers that Settings and the Update messages name: their types and required fields. Pure.

Facts: the vendor's AsyncAPI file of 2026-07-22; ``nvidia``, think by ``deepgram``, and ``eot_threshold`` up to 1 with
what it does: the official Python SDK 7.17.0. Voices are not checked, models only where a switch says so: the vendor
adds new ones every month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.agent.checks import (
    LONGEST_SHOWN,
    field,
    invalid,
    number,
    one_of,
    strings,
    unparsable_field,
)
from pytest_dgbudget.emulator.audio.voice_activity import SILENCE_MS
from pytest_dgbudget.emulator.codes import ProtocolError

LISTEN = ("deepgram",)
LISTEN_VERSIONS = ("v1", "v2")
THINK = ("open_ai", "anthropic", "google", "nvidia", "groq", "aws_bedrock", "deepgram")
SPEAK = ("deepgram", "eleven_labs", "cartesia", "open_ai", "aws_polly")
FLUX = "flux-"  # how models of version v2 begin, those that listen and those that speak
MULTILINGUAL = "flux-general-multi"
FASTEST, SLOWEST = 1.5, 0.5  # the factors of a voice's speed

EOT_THRESHOLD = 0.7  # the vendor's default; 0.5 to 1
EOT_TIMEOUT_MS = 5000  # the vendor's default
_NEVER_BY_MODEL = 1.0  # with this threshold a turn ends by timeout or ForceEndTurn
_MS_PER_THRESHOLD = 1000  # the emulator's choice: 0.2 more confidence takes 200 ms more silence
_LONGEST_MS = 600_000  # the emulator's choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """How a listen provider sets turn detection; ``hints`` is None unless the model is the multilingual one.

    ``by_timeout``: ``silence_ms`` is the timeout after which a turn ends whatever the model makes of it.
    """

    flux: bool = False
    silence_ms: int = SILENCE_MS
    by_timeout: bool = False
    hints: tuple[str, ...] | None = None


def listen(named: Mapping[str, Any], where: str) -> Listen:
    """Return what a listen provider asks for."""
    version = one_of(named.get("version") or "v1", LISTEN_VERSIONS, f"{where}.version")
    model = field(named, "model", str, where)
    strings(named, "keyterms", where)
    if version == "v1":
        if model is not None and model.startswith(FLUX):
            raise invalid(where, f'{model[:LONGEST_SHOWN]} needs version "v2"')
        return Listen()
    if model is None:
        raise unparsable_field(f"{where}.model", "it is missing; version v2 needs one")
    hints = strings(named, "language_hints", where)
    silence, by_timeout = _silence(named, where)
    return Listen(flux=True, silence_ms=silence, by_timeout=by_timeout, hints=hints if model == MULTILINGUAL else None)


def provider(block: Any, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the block's ``provider``, which is one of these types."""
    named = block.get("provider") if isinstance(block, dict) else None
    if not isinstance(named, dict):
        raise unparsable_field(f"{where}.provider", "it must be an object")
    one_of(named.get("type"), known, f"{where}.provider.type")
    return named


def speak(block: Any, where: str) -> None:
    """Check one ``speak`` block: voices other than Deepgram's need an endpoint."""
    named = provider(block, where, SPEAK)
    _endpoint(block, where)
    if named["type"] != "deepgram":
        if block.get("endpoint") is None:
            raise invalid(where, f"a voice of {named['type']} needs an endpoint")
        return
    _required(named, "model", f"{where}.provider")
    speed = named.get("speed")
    if isinstance(speed, (int, float)) and not SLOWEST <= speed <= FASTEST:
        raise ProtocolError("FAILED_TO_SPEAK", f"The speed must be from {SLOWEST:g} to {FASTEST:g}.")


def speaks_flux(block: Any) -> bool:
    """Whether the first voice of a ``speak`` is one of Flux."""
    first = block[0] if isinstance(block, list) and block else block
    named = first.get("provider") if isinstance(first, dict) else None
    return isinstance(named, dict) and str(named.get("model", "")).startswith(FLUX)


def think(block: Any, where: str, listed: frozenset[str] | None) -> None:
    """Check one ``think`` block: an endpoint is optional, its URL is not.

    ``listed``: the models of the vendor's list, one of which it must be unless it has an endpoint; None for any.
    """
    named = provider(block, where, THINK)
    _endpoint(block, where)
    model = _required(named, "model", f"{where}.provider")
    if listed is not None and model not in listed and not block.get("endpoint"):
        raise invalid(where, "model not available")  # as seen


def _required(named: Mapping[str, Any], name: str, where: str) -> str:
    value = field(named, name, str, where)
    if value is None:
        raise unparsable_field(f"{where}.{name}", "it is missing")
    return value


def _endpoint(block: Mapping[str, Any], where: str) -> None:
    endpoint = field(block, "endpoint", dict, where)
    if endpoint is not None and field(endpoint, "url", str, f"{where}.endpoint") is None:
        raise unparsable_field(f"{where}.endpoint.url", "it is missing")


def _silence(named: Mapping[str, Any], where: str) -> tuple[int, bool]:
    """Return the silence that ends a turn, in milliseconds, and whether it is that of the timeout.

    It is longer for a higher threshold, never longer than ``eot_timeout_ms``.
    """
    threshold = number(named, "eot_threshold", where, 0.5, 1)
    number(named, "eager_eot_threshold", where, 0.3, 0.9)
    longest = number(named, "eot_timeout_ms", where, 1, _LONGEST_MS)
    timeout = EOT_TIMEOUT_MS if longest is None else int(longest)
    threshold = EOT_THRESHOLD if threshold is None else threshold
    silence = round(SILENCE_MS + (threshold - EOT_THRESHOLD) * _MS_PER_THRESHOLD)
    by_timeout = threshold >= _NEVER_BY_MODEL or timeout < silence
    return (timeout, True) if by_timeout else (silence, False)
