"""Which fields an agent may have: an unknown one under ``agent`` ends a live session, as many report. Pure.

Facts: the vendor's AsyncAPI file of 2026-07-22, and its Python SDK 7.17.0 where that has more. Nothing is known of
unknown fields at the root of Settings: they are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.readers import nearest

_Fields = Mapping[str, "_Fields | None"]  # None: whatever is below is not looked at

_ENDPOINT = dict.fromkeys(("url", "headers"))
_CREDENTIALS = dict.fromkeys(("type", "region", "access_key_id", "secret_access_key", "session_token"))
_FUNCTION = {
    **dict.fromkeys(("name", "description", "parameters", "defer_until_eot", "initial_agent_filler")),
    **dict.fromkeys(("agent_filler_max_count", "agent_filler_interval_ms")),
    "endpoint": dict.fromkeys(("url", "method", "headers")),
}
_LISTEN_PROVIDERS: Mapping[str, _Fields] = {
    "v1": dict.fromkeys(("type", "version", "model", "language", "keyterms", "smart_format")),
    "v2": dict.fromkeys(
        (
            "type",
            "version",
            "model",
            "language_hints",
            "eot_threshold",
            "eager_eot_threshold",
            "eot_timeout_ms",
            "keyterms",
        )
    ),
}
_MODEL = ("type", "version", "model", "temperature")
_THINK_PROVIDERS: Mapping[str, _Fields] = {
    "open_ai": dict.fromkeys((*_MODEL, "reasoning_mode")),
    "anthropic": dict.fromkeys(_MODEL),
    "google": dict.fromkeys(_MODEL),
    "nvidia": dict.fromkeys((*_MODEL, "reasoning_mode")),
    "groq": dict.fromkeys((*_MODEL, "reasoning_mode")),
    "aws_bedrock": {**dict.fromkeys(("type", "model", "temperature")), "credentials": _CREDENTIALS},
    "deepgram": dict.fromkeys((*_MODEL, "reasoning_mode", "voice_prompt_opt_out")),
}
_SPEAK_PROVIDERS: Mapping[str, _Fields] = {
    "deepgram": dict.fromkeys(("type", "version", "model", "speed", "expressivity")),
    "eleven_labs": dict.fromkeys(("type", "version", "model_id", "language", "language_code")),
    "cartesia": {
        **dict.fromkeys(("type", "version", "model_id", "language", "volume")),
        "voice": dict.fromkeys(("mode", "id")),
    },
    "open_ai": dict.fromkeys(("type", "version", "model", "voice")),
    "aws_polly": {
        **dict.fromkeys(("type", "voice", "language", "language_code", "engine")),
        "credentials": _CREDENTIALS,
    },
}
_MESSAGE = dict.fromkeys(("type", "role", "content", "function_calls"))
_BLOCKS: Mapping[str, _Fields] = {
    "listen": {"provider": None},
    "think": {"provider": None, "endpoint": _ENDPOINT, "functions": _FUNCTION, "prompt": None, "context_length": None},
    "speak": {"provider": None, "endpoint": _ENDPOINT},
    "context": {"messages": _MESSAGE},
}
_AGENT = ("language", "context", "listen", "think", "think_live", "speak", "greeting")
_ROOT = ("tags", "experimental", "flags", "mip_opt_out", "audio")
_INSTEAD = {
    "client_side": "leave it out: a function without an endpoint is the client's",
    "endpointing": "it belongs to speech-to-text requests, not to agents; turns end as eot_threshold says (version v2)",
    "utterance_end_ms": "it belongs to speech-to-text requests, not to agents; see eot_timeout_ms (version v2)",
    "instructions": "it is called prompt",
    "messages": "it belongs to agent.context",
}


@dataclass(frozen=True, slots=True)
class UnknownField:
    """Where a field is that must not be there, and what to do about it."""

    path: str
    hint: str


def unknown_in_agent(agent: Mapping[str, Any]) -> UnknownField | None:
    """Return the first unknown field of an ``agent``; None if there is none."""
    for name in agent:
        if name not in _AGENT:
            return UnknownField(f"agent.{name}", _hint(name, "agent", _AGENT))
    found = (unknown_in_block(name, agent.get(name), f"agent.{name}") for name in _BLOCKS)
    return next((each for each in found if each is not None), None)


def unknown_in_block(name: str, block: Any, where: str) -> UnknownField | None:
    """Return the first unknown field of ``listen``, ``think``, ``speak`` or ``context``, or of a list of these."""
    return next(_unknown(_BLOCKS[name], block, where, name), None)


def _unknown(known: _Fields, value: Any, where: str, block: str) -> Iterator[UnknownField]:
    if isinstance(value, list):
        for n, each in enumerate(value):
            yield from _unknown(known, each, f"{where}[{n}]", block)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in known:
                yield UnknownField(f"{where}.{name}", _hint(name, where, tuple(known)))
            elif name == "provider":
                yield from _unknown(_provider(block, each), each, f"{where}.provider", block)
            else:
                below = known[name]
                if below is not None:
                    yield from _unknown(below, each, f"{where}.{name}", block)


def _provider(block: str, provider: Any) -> _Fields:
    """Return the fields of a provider; those given, where its type is unknown: that is complained of elsewhere."""
    if not isinstance(provider, dict):
        return {}
    if block == "listen":
        return _LISTEN_PROVIDERS.get(str(provider.get("version") or "v1"), dict.fromkeys(provider))
    known = _THINK_PROVIDERS if block == "think" else _SPEAK_PROVIDERS
    return known.get(str(provider.get("type")), dict.fromkeys(provider))


def _hint(name: str, where: str, known: Sequence[str]) -> str:
    """Return where a field belongs that is in the wrong place, or what was probably meant."""
    if name in _INSTEAD:
        return _INSTEAD[name]
    below = f"{where}.provider"
    if "provider" in known and any(name in each for each in _providers_below(where)):
        return f"it belongs to {below}"
    if name in _ROOT:
        return "it belongs to the root of Settings"
    if name in _AGENT:
        return "it belongs to agent"
    for block, fields in _BLOCKS.items():
        if name in fields:
            return f"it belongs to agent.{block}"
    return f"no such field{nearest(name, known)}"


def _providers_below(where: str) -> Iterator[_Fields]:
    for block, providers in (("listen", _LISTEN_PROVIDERS), ("think", _THINK_PROVIDERS), ("speak", _SPEAK_PROVIDERS)):
        if block in where:
            yield from providers.values()
