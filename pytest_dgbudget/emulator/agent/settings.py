"""Settings and the Update messages: what the emulator accepts, and how it refuses the rest. Pure.

Facts: the vendor's AsyncAPI file of 2026-07-22 and its page "Errors & Warnings". The emulator's choices, where those
say nothing: ``null`` counts as absent, unknown fields are ignored, a missing ``audio`` means the defaults.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.agent import providers
from pytest_dgbudget.emulator.agent.checks import blocks, field, invalid, one_of, strings
from pytest_dgbudget.emulator.agent.dialogue import Function
from pytest_dgbudget.emulator.agent.function_endpoint import FunctionEndpoint
from pytest_dgbudget.emulator.audio.voice import CODECS
from pytest_dgbudget.emulator.codes import NOT_EMULATED, Notice, ProtocolError
from pytest_dgbudget.emulator.scenarios.scenario import Agents
from pytest_dgbudget.rules.audio import AudioFormat, audio_format

INPUT_ENCODINGS = (
    "linear16", "linear32", "flac", "alaw", "mulaw", "amr-nb", "amr-wb", "opus", "ogg-opus", "speex", "g729",
)  # fmt: skip
OUTPUT_ENCODINGS = ("linear16", "mulaw", "alaw", "mp3", "opus", "flac", "aac")
CONTAINERS = ("none", "wav", "ogg")
# Hz; the emulator's choice: it bounds the work of one session.
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1000, 192_000
NO_THINK_LIVE = Notice(
    code=NOT_EMULATED,
    description="The emulator has no Think Live: think_live changes nothing, apart from what a scenario sends.",
)
MAX_PROMPT = 25_000  # characters, managed models (vendor's page "Errors & Warnings", PROMPT_TOO_LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Think:
    """The parts of ``agent.think`` that the emulator uses; ``managed`` unless it has an endpoint of its own."""

    functions: tuple[Function, ...] = ()
    managed: bool = True
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The configuration of one session; ``agent`` is Settings' own, or the reusable one that it names.

    Audio formats carry sample rates in Hz.
    """

    agent: Mapping[str, Any]
    greeting: str | None
    history: bool
    hears: AudioFormat
    speaks: AudioFormat
    wav: bool
    experimental: bool
    listen: providers.Listen
    think: Think
    tags: tuple[str, ...]
    notices: tuple[Notice, ...]


def setup(message: Mapping[str, Any], agents: Agents | None = None) -> Setup:
    """Return the session that a Settings message asks for; raises ProtocolError where the vendor would send Error."""
    field(message, "mip_opt_out", bool, "Settings")
    flags = field(message, "flags", dict, "Settings") or {}
    agent = _agent(message, agents or {})
    listen = agent.get("listen")
    think = think_block(agent.get("think"), "agent.think")
    speak_block(agent.get("speak"), "agent.speak")
    _check_context(agent)
    hears, notices = _input(message)
    return Setup(
        agent=agent,
        greeting=field(agent, "greeting", str, "agent"),
        history=field(flags, "history", bool, "flags") is not False,
        hears=hears,
        speaks=_output(message),
        wav=_container(message) == "wav",
        experimental=field(message, "experimental", bool, "Settings") is True,
        listen=providers.Listen() if listen is None else providers.listen(listen, "agent.listen"),
        think=think,
        tags=strings(message, "tags", "Settings"),
        notices=notices + (NO_THINK_LIVE,) * (field(agent, "think_live", dict, "agent") is not None) + think.notices,
    )


def think_block(value: Any, where: str) -> Think:
    """Return what a ``think`` object, or the first of an array of fallbacks, declares; the defaults for None."""
    given = blocks(value, where)
    for block in given:
        providers.think(block, where)
    return _think(given[0], where) if given else Think()


def speak_block(value: Any, where: str) -> None:
    """Check a ``speak`` object or array. The emulator has only one voice."""
    for block in blocks(value, where):
        providers.speak(block, where)


def prompt_notices(prompt: str | None) -> tuple[Notice, ...]:
    """Return a Warning if the vendor would truncate this prompt; applies to managed models only."""
    if prompt is None or len(prompt) <= MAX_PROMPT:
        return ()
    text = f"The prompt has {len(prompt)} characters; managed models take {MAX_PROMPT}."
    return (Notice(code="PROMPT_TOO_LONG", description=text),)


def _think(block: Mapping[str, Any], where: str) -> Think:
    functions = tuple(_function(each, where) for each in field(block, "functions", list, where) or ())
    prompt, managed = field(block, "prompt", str, where), not block.get("endpoint")
    notices = prompt_notices(prompt) if managed else ()
    remote = ", ".join(function.name for function in functions if not function.callable)
    if remote:
        text = f"The emulator calls only endpoints that are plain http on this machine, hence not: {remote}."
        notices += (Notice(code=NOT_EMULATED, description=text),)
    return Think(functions=functions, managed=managed, notices=notices)


def _function(value: Any, where: str) -> Function:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        raise invalid(f"{where}.functions must be objects with a name")
    where = f"{where}.functions"
    endpoint = field(value, "endpoint", dict, where)
    return Function(
        name=value["name"],
        description=field(value, "description", str, where) or "",
        parameters=field(value, "parameters", dict, where) or {},
        endpoint=None if endpoint is None else _endpoint(endpoint, f"{where}.endpoint"),
    )


def _endpoint(block: Mapping[str, Any], where: str) -> FunctionEndpoint:
    url, method = field(block, "url", str, where), field(block, "method", str, where) or "POST"
    headers = field(block, "headers", dict, where) or {}
    if not url:
        raise invalid(f"{where}.url is missing")
    if not (method.isascii() and method.isalpha()):
        raise invalid(f"{where}.method must be an HTTP method")
    if not all(isinstance(value, str) for value in headers.values()):
        raise invalid(f"{where}.headers must be strings")
    return FunctionEndpoint(url=url, method=method, headers=headers)


def _agent(message: Mapping[str, Any], agents: Agents) -> Mapping[str, Any]:
    agent = message.get("agent")
    if isinstance(agent, str):
        return _reusable_agent(agent, agents)
    if not isinstance(agent, dict):
        raise invalid("agent is missing" if agent is None else "agent must be an object")
    return agent


def _reusable_agent(agent_id: str, agents: Agents) -> Mapping[str, Any]:
    try:
        known = agents.get(str(uuid.UUID(agent_id)))
    except ValueError:
        raise ProtocolError("INVALID_AGENT_ID", "agent is neither an object nor a UUID") from None
    if known is not None:
        return known
    if agents:
        raise ProtocolError("INVALID_AGENT_ID", f"The emulator was given {len(agents)} reusable agents, not this one.")
    raise ProtocolError(
        "AGENT_ID_NOT_SUPPORTED", "The emulator was given no reusable agents: put the agent itself into Settings."
    )


def _check_context(agent: Mapping[str, Any]) -> None:
    """Refuse an invalid history, although the emulator makes no use of it."""
    context = field(agent, "context", dict, "agent") or {}
    for message in field(context, "messages", list, "agent.context") or ():
        words = isinstance(message, dict) and message.get("role") in ("user", "assistant") and "content" in message
        if not words and not (isinstance(message, dict) and isinstance(message.get("function_calls"), list)):
            raise invalid("agent.context.messages must have role and content, or function_calls")


def _input(message: Mapping[str, Any]) -> tuple[AudioFormat, tuple[Notice, ...]]:
    block = _audio(message, "input")
    if block is not None:
        for name in ("encoding", "sample_rate"):
            if block.get(name) is None:
                raise invalid(f"audio.input.{name} is missing")
    hears = _format(message, "input", INPUT_ENCODINGS)
    if hears.encoding in CODECS:
        return hears, ()
    text = f"The emulator hears no speech in {hears.encoding} input, only in {', '.join(CODECS)}."
    return hears, (Notice(code=NOT_EMULATED, description=text),)


def _output(message: Mapping[str, Any]) -> AudioFormat:
    speaks = _format(message, "output", OUTPUT_ENCODINGS)
    container = _container(message)
    if speaks.encoding not in CODECS or container == "ogg":
        raise invalid(
            f"the emulator speaks {', '.join(CODECS)} with container none or wav, not {speaks.encoding} in {container}"
        )
    return speaks


def _container(message: Mapping[str, Any]) -> str:
    container = field(_audio(message, "output") or {}, "container", str, "audio.output") or "none"
    return one_of(container, CONTAINERS, "audio.output.container")


def _audio(message: Mapping[str, Any], direction: str) -> Mapping[str, Any] | None:
    audio = field(message, "audio", dict, "Settings") or {}
    return field(audio, direction, dict, "audio")


def _format(message: Mapping[str, Any], direction: str, encodings: tuple[str, ...]) -> AudioFormat:
    where = f"audio.{direction}"
    given = {name: value for name, value in (_audio(message, direction) or {}).items() if value is not None}
    rate = given.get("sample_rate", MIN_SAMPLE_RATE)
    if isinstance(rate, bool) or not isinstance(rate, int) or not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise invalid(f"{where}.sample_rate must be a whole number of Hz, {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE}")
    if "encoding" in given:
        one_of(given["encoding"], encodings, f"{where}.encoding")
    return audio_format({"audio": {direction: given}}, direction)
