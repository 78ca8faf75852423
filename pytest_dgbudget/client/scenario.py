"""What a test may give to ``voice_agent.emulator.scenario``: the tables of a scenario file as dicts (docs/emulator.md).

A time is a text such as ``"1.5s"`` or a number of seconds. Texts in ``reply``, ``arguments`` and ``send`` are
templates: ``{text}`` is what the user said, ``{result}`` the answer to the last function call, ``{name}`` a group of
the pattern.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from pytest_dgbudget.rules.vendor_messages import MessageType

Time = str | float
ClientMessageType = Literal[
    "FunctionCallResponse",
    "InjectAgentMessage",
    "InjectUserMessage",
    "KeepAlive",
    "Settings",
    "UpdateListen",
    "UpdatePrompt",
    "UpdateSpeak",
    "UpdateThink",
    "ForceEndTurn",
    "UpdateThink_Live",
    "__customToThinkProvider",
]
# What a fault may wait for or apply to.
FaultyMessage = Literal[MessageType, ClientMessageType, "__customFromThinkProvider", "(audio)"]
FaultKind = Literal[
    "refuse",
    "limit",
    "slow-handshake",
    "no-welcome",
    "slow-messages",
    "duplicate",
    "out-of-order",
    "silence",
    "deaf",
    "slow-think",
    "late-audio",
    "drop",
    "ignore-close",
    "flood",
    "malformed",
    "oversized",
    "out-of-credit",
    "bill-late",
    "bill-missing",
    "bill-duplicate",
    "bill-foreign",
    "bill-wrong",
    "bill-rounded-up",
    "bill-refused",
    "bill-slow",
]


class FaultParameters(TypedDict, total=False):
    """The parameters of faults; each kind takes its own of them.

    ``at`` is the type of the message, sent or received, after which the fault takes effect, or to which it applies;
    ``after``, ``delay``, ``by`` and ``to`` are times.
    """

    at: FaultyMessage
    after: Time
    delay: Time
    status: int
    code: str
    sessions: int
    how: Literal["rst", "fin"]
    messages: int
    bytes: int
    form: Literal["json", "utf8", "frame"]
    by: Time
    seconds: float
    factor: float
    to: Time
    times: int


class _KindOfFault(TypedDict):
    kind: FaultKind


class ScenarioFault(_KindOfFault, FaultParameters):
    """What goes wrong in each session of a scenario."""


class _NameOfCall(TypedDict):
    name: str


class ScenarioCall(_NameOfCall, total=False):
    """A function that the client is asked to call; it need not be in Settings."""

    arguments: Mapping[str, Any]


class _CodeOfNotice(TypedDict):
    code: str


class ScenarioNotice(_CodeOfNotice, total=False):
    """A Warning or an Error."""

    description: str


class ScenarioTone(TypedDict):
    """A tone in place of the agent's voice: hertz and milliseconds."""

    hz: int
    ms: int


class ScenarioStep(TypedDict, total=False):
    """What the agent does, in this order: ``wait`` first, ``close`` last.

    ``call`` is one function call, or several; the step goes on when all are answered. ``reply`` is said; ``audio`` (a
    WAV file of 16-bit samples, relative to the current directory) or ``tone`` is played in place of the voice.
    ``error`` and ``close``, a WebSocket close code, end the session.
    """

    wait: Time
    warn: ScenarioNotice
    send: Mapping[str, Any]
    call: ScenarioCall | Sequence[ScenarioCall]
    reply: str
    audio: str | os.PathLike[str]
    tone: ScenarioTone
    error: ScenarioNotice
    close: int


class ScenarioTurn(ScenarioStep, total=False):
    """Steps that answer what the user said: this ``text``, this ``pattern`` (a regular expression), or anything.

    ``times`` is how often in one session it answers; ``then`` has the steps after the turn's own.
    """

    text: str
    pattern: str
    times: int
    then: Sequence[ScenarioStep]


class VendorSwitches(TypedDict, total=False):
    """How the emulated service behaves where observations of the real one differ (docs/emulator-fidelity.md)."""

    audio_done_at_interruption: bool
    late_frames: int
    late_sentence: bool
    agent_thinking: bool
    agent_started_speaking: bool
    function_response_echo: bool
    function_call_cancelled: bool
    audio_before_text: bool
    end_of_turn: bool
    stt_latency_stream: bool
    latency_reports: Literal["partial", "whole", "none"]
    failed_to_think: Literal["ends-session", "ends-turn"]
    unknown_agent: Literal["INTERNAL_SERVER_ERROR", "INVALID_AGENT_ID"]
    merged_listen_updates: bool
    close_after_error: Literal["empty", "code"]
    turn_end: Literal["audio", "timer"]
    unknown_fields: Literal["refuse", "accept"]
    think_models: Literal["any", "listed"]
    row_duration: bool
    whole_seconds: bool
    tier_change: Literal["from-then-on", "first", "highest"]


class Scenario(TypedDict, total=False):
    """What the emulator's agent does. Of ``turn``, the first that matches what the user said answers it.

    ``hears`` has the words of the user's first spoken turn, of the second, and so on. ``vendor``: switches, or a whole
    set of them. ``agents``: a JSON file of reusable agents, relative to the current directory. ``fault``: what goes
    wrong in each session. ``name`` may be left out.
    """

    name: str
    vendor: VendorSwitches | Literal["2026", "2025"]
    agents: str | os.PathLike[str]
    hears: list[str] | tuple[str, ...]
    turn: Sequence[ScenarioTurn]
    fault: Sequence[ScenarioFault]
