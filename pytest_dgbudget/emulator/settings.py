"""Settings and the Update messages: what the emulator takes, and how it refuses the rest. Pure.

Facts: the vendor's AsyncAPI file of 2026-07-22 and its page "Errors & Warnings". The emulator's choices, where those
say nothing: ``null`` is as good as absent, unknown fields are ignored, a missing ``audio`` means the defaults.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pytest_dgbudget.emulator.dialogue import Function
from pytest_dgbudget.emulator.voice import CODECS
from pytest_dgbudget.rules.audio import AudioFormat, audio_format

INPUT_ENCODINGS = (
    "linear16", "linear32", "flac", "alaw", "mulaw", "amr-nb", "amr-wb", "opus", "ogg-opus", "speex", "g729",
)  # fmt: skip
OUTPUT_ENCODINGS = ("linear16", "mulaw", "alaw", "mp3", "opus", "flac", "aac")
CONTAINERS = ("none", "wav", "ogg")
MAX_SAMPLE_RATE = 192_000  # Hz; the emulator's choice, it bounds what one session can make us compute
MAX_PROMPT = 25_000  # characters, managed models (vendor's page "Errors & Warnings", PROMPT_TOO_LONG)

NOT_EMULATED = "NOT_EMULATED"  # a Warning code of the emulator's own

T = TypeVar("T")


class ProtocolError(Exception):
    """Ends the session with an ``Error`` message of this ``code``."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A ``Warning`` that goes out behind the acknowledgement."""

    code: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Think:
    """What the emulator uses of ``agent.think``: the functions; and what to warn of."""

    functions: tuple[Function, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What one session is told to be. Audio formats carry sample rates in Hz."""

    greeting: str | None
    history: bool
    hears: AudioFormat
    speaks: AudioFormat
    wav: bool
    flux: bool
    think: Think
    tags: tuple[str, ...]
    notices: tuple[Notice, ...]


def setup(message: Mapping[str, Any]) -> Setup:
    """Return the session that a Settings message asks for; raise ProtocolError as the vendor would send Error."""
    tags = _field(message, "tags", list, "Settings") or []
    if not all(isinstance(tag, str) for tag in tags):
        raise _invalid("tags must be a list of strings")
    for name in ("experimental", "mip_opt_out"):
        _field(message, name, bool, "Settings")
    flags = _field(message, "flags", dict, "Settings") or {}
    agent = _agent(message)
    listen = _provider(agent, "listen", "agent")
    think = think_block(agent.get("think"), "agent.think")
    speak_block(agent.get("speak"), "agent.speak")
    hears, notices = _input(message)
    return Setup(
        greeting=_field(agent, "greeting", str, "agent"),
        history=_field(flags, "history", bool, "flags") is not False,
        hears=hears,
        speaks=_output(message),
        wav=_container(message) == "wav",
        flux=listen.get("version") == "v2",
        think=think,
        tags=tuple(tags),
        notices=notices + think.notices,
    )


def think_block(value: Any, where: str) -> Think:
    """Return what a ``think`` object, or the first of an array of fallbacks, declares; None declares nothing."""
    blocks = _blocks(value, where)
    for block in blocks:
        _required_provider(block, where)
    return _think(blocks[0], where) if blocks else Think()


def speak_block(value: Any, where: str) -> None:
    """Check a ``speak`` object or array. The emulator has one voice whatever it says."""
    for block in _blocks(value, where):
        _required_provider(block, where)


def listen_block(value: Any) -> bool:
    """Check an UpdateListen's ``listen`` and say whether it names Flux (version v2)."""
    provider = _required_provider(value, "listen")
    return provider.get("version") == "v2"


def prompt_notices(prompt: str | None) -> tuple[Notice, ...]:
    """Warn of a prompt that the vendor would truncate; it goes with managed models only."""
    if prompt is None or len(prompt) <= MAX_PROMPT:
        return ()
    text = f"The prompt has {len(prompt)} characters; managed models take {MAX_PROMPT}."
    return (Notice(code="PROMPT_TOO_LONG", description=text),)


def _think(block: Mapping[str, Any], where: str) -> Think:
    functions = tuple(_function(each, where) for each in _field(block, "functions", list, where) or ())
    prompt = _field(block, "prompt", str, where)
    notices = () if block.get("endpoint") else prompt_notices(prompt)
    remote = ", ".join(function.name for function in functions if not function.client_side)
    if remote:
        text = f"The emulator calls no function that has an endpoint: {remote}."
        notices += (Notice(code=NOT_EMULATED, description=text),)
    return Think(functions=functions, notices=notices)


def _function(value: Any, where: str) -> Function:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        raise _invalid(f"{where}.functions must be objects with a name")
    return Function(
        name=value["name"],
        description=_field(value, "description", str, f"{where}.functions") or "",
        parameters=_field(value, "parameters", dict, f"{where}.functions") or {},
        client_side=value.get("endpoint") is None,
    )


def _agent(message: Mapping[str, Any]) -> Mapping[str, Any]:
    agent = message.get("agent")
    if isinstance(agent, str):
        _refuse_agent_id(agent)
    if not isinstance(agent, dict):
        raise _invalid("agent is missing" if agent is None else "agent must be an object")
    return agent


def _refuse_agent_id(agent_id: str) -> None:
    try:
        uuid.UUID(agent_id)
    except ValueError:
        raise ProtocolError("INVALID_AGENT_ID", "agent is neither an object nor a UUID") from None
    raise ProtocolError(
        "AGENT_ID_NOT_SUPPORTED", "The emulator knows no reusable agents: put the agent itself into Settings."
    )


def _input(message: Mapping[str, Any]) -> tuple[AudioFormat, tuple[Notice, ...]]:
    block = _audio(message, "input")
    if block is not None:
        for name in ("encoding", "sample_rate"):
            if block.get(name) is None:
                raise _invalid(f"audio.input.{name} is missing")
    hears = _format(message, "input", INPUT_ENCODINGS)
    if hears.encoding in CODECS:
        return hears, ()
    text = f"The emulator hears no speech in {hears.encoding} input, only in {', '.join(CODECS)}."
    return hears, (Notice(code=NOT_EMULATED, description=text),)


def _output(message: Mapping[str, Any]) -> AudioFormat:
    speaks = _format(message, "output", OUTPUT_ENCODINGS)
    container = _container(message)
    if speaks.encoding not in CODECS or container == "ogg":
        raise _invalid(
            f"the emulator speaks {', '.join(CODECS)} with container none or wav, not {speaks.encoding} in {container}"
        )
    return speaks


def _container(message: Mapping[str, Any]) -> str:
    container = _field(_audio(message, "output") or {}, "container", str, "audio.output") or "none"
    return _one_of(container, CONTAINERS, "audio.output.container")


def _audio(message: Mapping[str, Any], direction: str) -> Mapping[str, Any] | None:
    audio = _field(message, "audio", dict, "Settings") or {}
    return _field(audio, direction, dict, "audio")


def _format(message: Mapping[str, Any], direction: str, encodings: tuple[str, ...]) -> AudioFormat:
    where = f"audio.{direction}"
    given = {name: value for name, value in (_audio(message, direction) or {}).items() if value is not None}
    rate = given.get("sample_rate", 1)
    if isinstance(rate, bool) or not isinstance(rate, int) or not 0 < rate <= MAX_SAMPLE_RATE:
        raise _invalid(f"{where}.sample_rate must be a whole number of Hz, 1 to {MAX_SAMPLE_RATE}")
    if "encoding" in given:
        _one_of(given["encoding"], encodings, f"{where}.encoding")
    return audio_format({"audio": {direction: given}}, direction)


def _one_of(value: Any, known: tuple[str, ...], where: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise _invalid(f"{where} must be one of {', '.join(known)}")
    return value


def _blocks(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if value == [] or not isinstance(value, (dict, list)):
        raise _invalid(f"{where} must be an object or a list of them")
    return value if isinstance(value, list) else [value]


def _provider(holder: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    block = _field(holder, name, dict, where)
    return {} if block is None else _required_provider(block, f"{where}.{name}")


def _required_provider(block: Any, where: str) -> Mapping[str, Any]:
    provider = block.get("provider") if isinstance(block, dict) else None
    if not isinstance(provider, dict):
        raise _invalid(f"{where}.provider must be an object")
    return provider


def _field(holder: Mapping[str, Any], name: str, kind: type[T], where: str) -> T | None:
    value = holder.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise _invalid(f"{where}.{name} must be {_KINDS[kind]}")


_KINDS: dict[type, str] = {bool: "true or false", dict: "an object", list: "a list", str: "a string"}


def _invalid(description: str) -> ProtocolError:
    return ProtocolError("INVALID_SETTINGS", description)
