"""Settings and the Update messages: what the emulator accepts, and how it refuses the rest. Pure.

Facts: the vendor's AsyncAPI file of 2026-07-22 and its page "Errors & Warnings"; reports of refused Settings. The
emulator's choices, where those say nothing: ``null`` counts as absent, unknown fields at the root are ignored, a
missing ``audio`` means the defaults.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.agent import providers
from pytest_dgbudget.emulator.agent.agent_fields import IllTypedField, WrongField, wrong_in_agent, wrong_in_block
from pytest_dgbudget.emulator.agent.checks import (
    LONGEST_SHOWN,
    blocks,
    field,
    invalid,
    one_of,
    strings,
    unparsable_field,
    whole_number,
)
from pytest_dgbudget.emulator.agent.dialogue import Function
from pytest_dgbudget.emulator.agent.function_endpoint import FunctionEndpoint
from pytest_dgbudget.emulator.audio.voice import CODECS
from pytest_dgbudget.emulator.codes import NOT_EMULATED, Notice, ProtocolError
from pytest_dgbudget.emulator.project.agents import AgentLookup
from pytest_dgbudget.emulator.project.prices import MANAGED_MODELS
from pytest_dgbudget.emulator.vendor import Vendor
from pytest_dgbudget.rules.audio import AudioFormat, audio_format
from pytest_dgbudget.rules.samples import SAMPLED

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
    prompt: str = ""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The configuration of one session; ``agent`` is Settings' own, or the reusable one that it names.

    Audio formats carry sample rates in Hz. ``listen_provider`` is as it was given, for later partial changes.
    """

    agent: Mapping[str, Any]
    greeting: str | None
    history: bool
    hears: AudioFormat
    speaks: AudioFormat
    wav: bool
    listen_provider: Mapping[str, Any]
    think: Think
    tags: tuple[str, ...]
    notices: tuple[Notice, ...]


class SettingsReader:
    """Reads Settings and the Update messages as the vendor is taken to."""

    def __init__(self, vendor: Vendor, agents: AgentLookup) -> None:
        self._vendor = vendor
        self._agents = agents

    def setup(self, message: Mapping[str, Any]) -> Setup:
        """Return the session that a Settings message asks for; raises ProtocolError where the vendor sends Error."""
        field(message, "mip_opt_out", bool, "")
        flags = field(message, "flags", dict, "") or {}
        field(message, "experimental", bool, "")
        agent = self._agent(message)
        self._refuse(wrong_in_agent(agent))
        listen = field(agent, "listen", dict, "agent")
        named = {} if listen is None else providers.provider(listen, "agent.listen", providers.LISTEN)
        providers.listen(named, "agent.listen.provider")
        think = self._think(agent.get("think"), "agent.think")
        self._check_speak(agent.get("speak"), "agent.speak")
        _check_context(agent)
        hears, notices = _input(message)
        return Setup(
            agent=agent,
            greeting=field(agent, "greeting", str, "agent"),
            history=field(flags, "history", bool, "flags") is not False,
            hears=hears,
            speaks=_output(message, flux=providers.speaks_flux(agent.get("speak"))),
            wav=_container(message) == "wav",
            listen_provider=named,
            think=think,
            tags=strings(message, "tags", ""),
            notices=notices
            + (NO_THINK_LIVE,) * (field(agent, "think_live", dict, "agent") is not None)
            + think.notices,
        )

    def think_block(self, value: Any, where: str) -> Think:
        """Return what the ``think`` of an UpdateThink declares, the first of it if it is an array of fallbacks."""
        self._refuse(wrong_in_block("think", value, where))
        return self._think(value, where)

    def speak_block(self, value: Any, where: str) -> None:
        """Check the ``speak`` of an UpdateSpeak. The emulator has only one voice."""
        self._refuse(wrong_in_block("speak", value, where))
        self._check_speak(value, where)

    def listen_block(self, value: Any, where: str, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the listen provider after an UpdateListen: what it doesn't name stays, but for the language hints.

        So it was seen (E2) and is documented (E17).
        """
        self._refuse(wrong_in_block("listen", _in_version(value, before), where))
        named = providers.provider(value, where, providers.LISTEN)
        after = {**{name: each for name, each in before.items() if name != "language_hints"}, **named}
        providers.listen(after, f"{where}.provider")
        return after

    def _think(self, value: Any, where: str) -> Think:
        given = blocks(value, where)
        listed = MANAGED_MODELS if self._vendor.think_models == "listed" else None
        for block in given:
            providers.think(block, where, listed)
        return _think(given[0], where) if given else Think()

    def _check_speak(self, value: Any, where: str) -> None:
        for block in blocks(value, where):
            providers.speak(block, where)

    def _refuse(self, wrong: Iterable[WrongField]) -> None:
        """Raise ProtocolError for the first of these fields that the vendor does not take."""
        for each in wrong:
            if isinstance(each, IllTypedField) or self._vendor.unknown_fields == "refuse":
                raise unparsable_field(each.path, each.reason)

    def _agent(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        agent = message.get("agent")
        if isinstance(agent, str):
            return self._reusable_agent(agent)
        if not isinstance(agent, dict):
            raise unparsable_field("agent", "it is missing" if agent is None else "it must be an object or an id")
        return agent

    def _reusable_agent(self, agent_id: str) -> Mapping[str, Any]:
        try:
            known = self._agents.find(str(uuid.UUID(agent_id)))
        except ValueError:
            raise ProtocolError("INVALID_AGENT_ID", "agent is neither an object nor a UUID") from None
        if known is not None:
            return known
        if self._vendor.unknown_agent == "INVALID_AGENT_ID":
            raise ProtocolError(
                "INVALID_AGENT_ID", f"There is no agent {agent_id[:LONGEST_SHOWN]}.", detail=self._agents.described
            )
        raise ProtocolError(
            "INTERNAL_SERVER_ERROR", "resolving agent ID", detail=self._agents.described
        )  # as seen (E3)


def _in_version(update: Any, before: Mapping[str, Any]) -> Any:
    """Return the ``listen`` of an UpdateListen with the version of the provider before it, unless it names one."""
    named = update.get("provider") if isinstance(update, dict) else None
    if not isinstance(named, dict):
        return update
    return {**update, "provider": {"version": before.get("version"), **named}}


def prompt_notices(length: int) -> tuple[Notice, ...]:
    """Return a Warning if the vendor would truncate a prompt of this length; applies to managed models only."""
    if length <= MAX_PROMPT:
        return ()
    text = f"The prompt has {length} characters; managed models take {MAX_PROMPT}."
    return (Notice(code="PROMPT_TOO_LONG", description=text),)


def _think(block: Mapping[str, Any], where: str) -> Think:
    functions = tuple(_function(each, where) for each in field(block, "functions", list, where) or ())
    prompt, managed = field(block, "prompt", str, where), not block.get("endpoint")
    notices = prompt_notices(len(prompt or "")) if managed else ()
    remote = ", ".join(function.name for function in functions if not function.callable)
    if remote:
        text = f"The emulator calls only endpoints that are plain http on this machine, hence not: {remote}."
        notices += (Notice(code=NOT_EMULATED, description=text),)
    return Think(functions=functions, managed=managed, prompt=prompt or "", notices=notices)


def _function(value: Any, where: str) -> Function:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        raise unparsable_field(f"{where}.functions", "each must be an object with a name")
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
        raise unparsable_field(f"{where}.url", "it is missing")
    if not (method.isascii() and method.isalpha()):
        raise invalid(where, "the method must be an HTTP method")
    if not all(isinstance(value, str) for value in headers.values()):
        raise unparsable_field(f"{where}.headers", "they must be strings")
    return FunctionEndpoint(url=url, method=method, headers=headers)


def _check_context(agent: Mapping[str, Any]) -> None:
    """Refuse an invalid history, although the emulator makes no use of it."""
    context = field(agent, "context", dict, "agent") or {}
    for message in field(context, "messages", list, "agent.context") or ():
        words = isinstance(message, dict) and message.get("role") in ("user", "assistant") and "content" in message
        if not words and not (isinstance(message, dict) and isinstance(message.get("function_calls"), list)):
            raise unparsable_field("agent.context.messages", "each must have role and content, or function_calls")


def _input(message: Mapping[str, Any]) -> tuple[AudioFormat, tuple[Notice, ...]]:
    block = _audio(message, "input")
    if block is not None:
        for name in ("encoding", "sample_rate"):
            if block.get(name) is None:
                raise unparsable_field(f"audio.input.{name}", "it is missing")
    hears = _format(message, "input", INPUT_ENCODINGS)
    if hears.encoding in SAMPLED:
        return hears, ()
    text = f"The emulator hears no speech in {hears.encoding} input, only in {', '.join(SAMPLED)}."
    return hears, (Notice(code=NOT_EMULATED, description=text),)


def _output(message: Mapping[str, Any], *, flux: bool) -> AudioFormat:
    speaks = _format(message, "output", OUTPUT_ENCODINGS)
    whole_number(_audio(message, "output") or {}, "bitrate", "audio.output")
    container = _container(message)
    form = f"{speaks.encoding} in {container}"
    if flux and (speaks.encoding not in CODECS or container != "none"):
        raise invalid("audio.output", f"Flux voices take {', '.join(CODECS)} without container, not {form}")
    if speaks.encoding not in CODECS or container == "ogg":
        raise invalid("audio.output", f"the emulator speaks {', '.join(CODECS)} with container none or wav, not {form}")
    return speaks


def _container(message: Mapping[str, Any]) -> str:
    container = field(_audio(message, "output") or {}, "container", str, "audio.output") or "none"
    return one_of(container, CONTAINERS, "audio.output.container")


def _audio(message: Mapping[str, Any], direction: str) -> Mapping[str, Any] | None:
    audio = field(message, "audio", dict, "") or {}
    return field(audio, direction, dict, "audio")


def _format(message: Mapping[str, Any], direction: str, encodings: tuple[str, ...]) -> AudioFormat:
    where = f"audio.{direction}"
    given = {name: value for name, value in (_audio(message, direction) or {}).items() if value is not None}
    rate = whole_number(given, "sample_rate", where)
    if rate is not None and not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise invalid(where, f"sample_rate must be from {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz")
    if "encoding" in given:
        one_of(given["encoding"], encodings, f"{where}.encoding")
    return audio_format({"audio": {direction: given}}, direction)
