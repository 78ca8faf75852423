"""Which fields an agent may have, and of which type: another one ends a live session, as many report. Pure.

Facts: the vendor's AsyncAPI file of 2026-07-22, and its Python SDK 7.17.0 where that has more. Nothing is known of
unknown fields at the root of Settings: they are ignored. ``null`` counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

from pytest_dgbudget.emulator.agent.checks import LONGEST_SHOWN
from pytest_dgbudget.emulator.agent.providers import FLUX
from pytest_dgbudget.emulator.readers import nearest

_Kind = Literal[
    "a string", "a number", "a whole number", "true or false", "an object", "a list", "a list of strings",
    "an object with strings", "max or a number", "anything",
]  # fmt: skip
_Form = Union[_Kind, "_Fields", tuple["_Fields"]]  # a tuple stands for a list of such objects
_Fields = Mapping[str, _Form]


def _strings(*names: str) -> dict[str, _Form]:
    return dict.fromkeys(names, "a string")


_ENDPOINT: _Fields = {"url": "a string", "headers": "an object with strings"}
_CREDENTIALS = _strings("type", "region", "access_key_id", "secret_access_key", "session_token")
_FUNCTION: _Fields = {
    **_strings("name", "description"),
    "parameters": "an object",
    "endpoint": {**_ENDPOINT, "method": "a string"},
    **dict.fromkeys(("defer_until_eot", "initial_agent_filler"), "true or false"),
    **dict.fromkeys(("agent_filler_max_count", "agent_filler_interval_ms"), "a whole number"),
}
_LISTEN_PROVIDERS: Mapping[str, _Fields] = {
    "v1": {
        **_strings("type", "version", "model", "language"),
        "keyterms": "a list of strings",
        "smart_format": "true or false",
    },
    "v2": {
        **_strings("type", "version", "model"),
        **dict.fromkeys(("language_hints", "keyterms"), "a list of strings"),
        **dict.fromkeys(("eot_threshold", "eager_eot_threshold"), "a number"),
        "eot_timeout_ms": "a whole number",
    },
}
_MODEL: _Fields = {**_strings("type", "version", "model"), "temperature": "a number"}
_REASONING: _Fields = {**_MODEL, "reasoning_mode": "a string"}
_THINK_PROVIDERS: Mapping[str, _Fields] = {
    "open_ai": _REASONING,
    "anthropic": _MODEL,
    "google": _MODEL,
    "nvidia": _REASONING,
    "groq": _REASONING,
    "aws_bedrock": {**_strings("type", "model"), "temperature": "a number", "credentials": _CREDENTIALS},
    "deepgram": {**_REASONING, "voice_prompt_opt_out": "true or false"},
}
_SPEAK_PROVIDERS: Mapping[str, _Fields] = {
    "deepgram": {**_strings("type", "version", "model"), "speed": "a number", "expressivity": "a whole number"},
    "eleven_labs": _strings("type", "version", "model_id", "language", "language_code"),
    "cartesia": {
        **_strings("type", "version", "model_id", "language"),
        "volume": "a number",
        "voice": _strings("mode", "id"),
    },
    "open_ai": _strings("type", "version", "model", "voice"),
    "aws_polly": {**_strings("type", "voice", "language", "language_code", "engine"), "credentials": _CREDENTIALS},
}
_BLOCKS: Mapping[str, _Fields] = {
    "listen": {"provider": "anything"},  # a provider's fields depend on its type: see _provider
    "think": {
        "provider": "anything",
        "endpoint": _ENDPOINT,
        "functions": (_FUNCTION,),
        "prompt": "a string",
        "context_length": "max or a number",
    },
    "speak": {"provider": "anything", "endpoint": _ENDPOINT},
    "context": {"messages": ({**_strings("type", "role", "content"), "function_calls": "a list"},)},
}
_AGENT: _Fields = {
    "language": "a string",
    **dict.fromkeys(("context", "listen", "think"), "anything"),  # see _BLOCKS
    "think_live": "an object",
    "speak": "anything",
    "greeting": "a string",
}
_ROOT = ("tags", "experimental", "flags", "mip_opt_out", "audio")
_INSTEAD = {
    "client_side": "leave it out: a function without an endpoint is the client's",
    "endpointing": "it belongs to speech-to-text requests, not to agents; turns end as eot_threshold says (version v2)",
    "utterance_end_ms": "it belongs to speech-to-text requests, not to agents; see eot_timeout_ms (version v2)",
    "instructions": "it is called prompt",
    "messages": "it belongs to agent.context",
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _all_strings(values: Any) -> bool:
    return all(isinstance(each, str) for each in values)


_IS: Mapping[_Kind, Callable[[Any], bool]] = {
    "a string": lambda value: isinstance(value, str),
    "a number": _is_number,
    "a whole number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "true or false": lambda value: isinstance(value, bool),
    "an object": lambda value: isinstance(value, dict),
    "a list": lambda value: isinstance(value, list),
    "a list of strings": lambda value: isinstance(value, list) and _all_strings(value),
    "an object with strings": lambda value: isinstance(value, dict) and _all_strings(value.values()),
    "max or a number": lambda value: value == "max" or _is_number(value),
    "anything": lambda _: True,
}


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that must not be there: its name, the path of what holds it, and the fields that may be there.

    Both texts have at most 100 characters of the name, which is the client's.
    """

    name: str
    holder: str
    known: _Fields

    @property
    def path(self) -> str:
        return f"{self.holder}.{self.name[:LONGEST_SHOWN]}"

    @property
    def reason(self) -> str:
        """What to do about it."""
        return _hint(self.name[:LONGEST_SHOWN], self.holder, self.known)


@dataclass(frozen=True, slots=True)
class IllTypedField:
    """Where a field is whose value is of a wrong type, and what it must be."""

    path: str
    reason: str


WrongField = UnknownField | IllTypedField


def wrong_in_agent(agent: Mapping[str, Any]) -> Iterator[WrongField]:
    """Find the unknown and ill-typed fields of an ``agent``."""
    yield from _in_fields(_AGENT, agent, "agent")
    for name in _BLOCKS:
        yield from wrong_in_block(name, agent.get(name), f"agent.{name}")


def wrong_in_block(name: str, block: Any, where: str) -> Iterator[WrongField]:
    """Find those of ``listen``, ``think``, ``speak`` or ``context``, or of a list of these."""
    if isinstance(block, list):
        for n, each in enumerate(block):
            yield from _in_block(name, each, f"{where}[{n}]")
    else:
        yield from _in_block(name, block, where)


def _in_block(name: str, block: Any, where: str) -> Iterator[WrongField]:
    """What is wrong with a block or a provider that is no object is said by another check."""
    if not isinstance(block, dict):
        return
    yield from _in_fields(_BLOCKS[name], block, where)
    provider = block.get("provider")
    if isinstance(provider, dict):
        yield from _in_fields(_provider(name, provider), provider, f"{where}.provider")


def _in_fields(known: _Fields, holder: Mapping[str, Any], where: str) -> Iterator[WrongField]:
    for name, value in holder.items():
        if name not in known:
            yield UnknownField(name, where, known)
        elif value is not None:
            yield from _in_value(known[name], value, f"{where}.{name}")


def _in_value(form: _Form, value: Any, where: str) -> Iterator[WrongField]:
    if isinstance(form, str):
        if not _IS[form](value):
            yield IllTypedField(where, f"it must be {form}")
    elif isinstance(form, tuple):
        yield from _in_list(form[0], value, where)
    elif isinstance(value, dict):
        yield from _in_fields(form, value, where)
    else:
        yield IllTypedField(where, "it must be an object")


def _in_list(known: _Fields, values: Any, where: str) -> Iterator[WrongField]:
    if not isinstance(values, list):
        yield IllTypedField(where, "it must be a list")
        return
    for n, each in enumerate(values):
        yield from _in_value(known, each, f"{where}[{n}]")


def _provider(block: str, provider: Mapping[str, Any]) -> _Fields:
    """Return the fields of a provider; those given, where its type is unknown: that is complained of elsewhere."""
    given: dict[str, _Form] = dict.fromkeys(provider, "anything")
    if block == "listen":
        return _listen_provider(provider, given)
    known = _THINK_PROVIDERS if block == "think" else _SPEAK_PROVIDERS
    return known.get(str(provider.get("type")), given)


def _listen_provider(provider: Mapping[str, Any], given: _Fields) -> _Fields:
    """Return both versions' fields for a Flux model without version: that it needs one is complained of elsewhere."""
    version = provider.get("version")
    if not version and str(provider.get("model")).startswith(FLUX):
        return {**_LISTEN_PROVIDERS["v1"], **_LISTEN_PROVIDERS["v2"]}
    return _LISTEN_PROVIDERS.get(str(version or "v1"), given)


def _hint(name: str, where: str, known: _Fields) -> str:
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
