"""What differs between observations of the real service, or is not known: a switch for each, and sets of them. Pure.

Sources, as docs/emulator-fidelity.md names them: E1 are logs of live calls of 2025, E2 is one recorded call of July
2026, E3 findings of a telephony partner of September 2026, E4 the vendor's Rust SDK of autumn 2026, E8 findings of live
runs, E17 the vendor's texts of about October 2026, E18 answers of its staff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from pytest_dgbudget.emulator.readers import flag, nearest, one_of, whole

LATEST = "2026"


class BadVendor(ValueError):
    """An invalid switch; ``key`` is its name, empty if the whole value is wrong."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}" if key else why)
        self.key = key
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """How the real service is taken to behave; each field is a switch of ``vendor``, with its default for 2026."""

    audio_done_at_interruption: bool = True
    late_frames: int = 0
    late_sentence: bool = False
    agent_thinking: bool = False
    agent_started_speaking: bool = False
    function_response_echo: bool = True
    function_call_cancelled: bool = True
    audio_before_text: bool = False
    end_of_turn: bool = True
    stt_latency_stream: bool = True
    latency_reports: Literal["partial", "whole", "none"] = "partial"
    failed_to_think: Literal["ends-session", "ends-turn"] = "ends-session"
    unknown_agent: Literal["INTERNAL_SERVER_ERROR", "INVALID_AGENT_ID"] = "INTERNAL_SERVER_ERROR"
    merged_listen_updates: bool = True
    close_after_error: Literal["empty", "code"] = "empty"
    turn_end: Literal["audio", "timer"] = "audio"
    unknown_fields: Literal["refuse", "accept"] = "refuse"
    think_models: Literal["any", "listed"] = "any"
    row_duration: bool = False
    whole_seconds: bool = False
    agent_list: Literal["bare", "documented"] = "bare"
    tier_change: Literal["from-then-on", "first", "highest"] = "from-then-on"


SETS: Mapping[str, Vendor] = {
    LATEST: Vendor(),
    "2025": Vendor(
        function_response_echo=False,
        function_call_cancelled=False,
        end_of_turn=False,
        stt_latency_stream=False,
        latency_reports="none",
    ),
}
AS_SEEN = SETS[LATEST]

# Switches of the management API, which belongs to no session.
OF_THE_EMULATOR = ("agent_list",)

_Read = Callable[[Any], Any]


SWITCHES: Mapping[str, _Read] = {
    "audio_done_at_interruption": flag,
    "late_frames": whole(0, 100),
    "late_sentence": flag,
    "agent_thinking": flag,
    "agent_started_speaking": flag,
    "function_response_echo": flag,
    "function_call_cancelled": flag,
    "audio_before_text": flag,
    "end_of_turn": flag,
    "stt_latency_stream": flag,
    "latency_reports": one_of("partial", "whole", "none"),
    "failed_to_think": one_of("ends-session", "ends-turn"),
    "unknown_agent": one_of("INTERNAL_SERVER_ERROR", "INVALID_AGENT_ID"),
    "merged_listen_updates": flag,
    "close_after_error": one_of("empty", "code"),
    "turn_end": one_of("audio", "timer"),
    "unknown_fields": one_of("refuse", "accept"),
    "think_models": one_of("any", "listed"),
    "row_duration": flag,
    "whole_seconds": flag,
    "agent_list": one_of("bare", "documented"),
    "tier_change": one_of("from-then-on", "first", "highest"),
}
assert tuple(SWITCHES) == tuple(field.name for field in fields(Vendor))


def read_vendor(value: Any, base: Vendor = AS_SEEN) -> Vendor:
    """Return ``base`` with the switches of a table, or the set of a name; raises BadVendor."""
    if isinstance(value, str):
        return _named(value)
    if not isinstance(value, dict):
        raise BadVendor("", f"it is a table of switches, or one of {', '.join(SETS)}")
    return replace(base, **{name: _switch(name, given) for name, given in value.items()})


def read_assignment(text: str, base: Vendor) -> Vendor:
    """Return ``base`` with one switch, NAME=VALUE, or the set of a name; raises BadVendor."""
    name, given, value = text.partition("=")
    if not given:
        return _named(name)
    return replace(base, **{name: _switch(name, _from_text(value))})


def _named(name: str) -> Vendor:
    if name not in SETS:
        raise BadVendor("", f"there is no set {name!r}; there are: {', '.join(SETS)}")
    return SETS[name]


def _switch(name: str, value: Any) -> Any:
    if name not in SWITCHES:
        raise BadVendor(name, f"no such switch{nearest(name, SWITCHES)}")
    try:
        return SWITCHES[name](value)
    except ValueError as error:
        raise BadVendor(name, str(error)) from None


def _from_text(value: str) -> Any:
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else value
