"""In which order the vendor's messages come: what a session broke of it, as the gateway saw it pass.

Sources: developers.deepgram.com/docs/voice-agent-message-flow and /voice-agent-function-call-cancelled; and, where live
sessions differ from these, what was seen of them in 2025 and 2026: the first frame of a sentence may come before its
text, up to three frames of an interrupted reply come after its AgentAudioDone, and not every AgentAudioDone comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pytest_dgbudget.model import OrderRule, Violation
from pytest_dgbudget.rules.vendor_messages import SERVER_TYPES
from pytest_dgbudget.units import format_time

LATE_FRAMES = 3
MOST_VIOLATIONS = 100
MOST_OPEN_CALLS = 1000
_LONGEST_ID = 200

_OF_THE_AGENT = frozenset(
    {"AgentAudioDone", "AgentStartedSpeaking", "AgentThinking", "ConversationText", "FunctionCallRequest"}
)
# After these the agent may speak again.
_CLIENT_GIVES_FLOOR = frozenset({"FunctionCallResponse", "InjectAgentMessage", "InjectUserMessage"})
_VENDOR_GIVES_FLOOR = frozenset(
    {"AgentStartedSpeaking", "AgentThinking", "ConversationText", "FunctionCallRequest", "FunctionCallResponse"}
)


class OrderRules:
    """The order rules of one session; ``found`` is called with each violation.

    Times are milliseconds since the dial. Any JSON may come, in any order; what is kept of it is bounded.
    """

    def __init__(self, found: Callable[[Violation], None]) -> None:
        self._found = found
        self._violations = 0
        self._is_welcomed = False
        self._is_applied = False
        # Rules that are reported once for a whole session.
        self._broken: set[OrderRule] = set()
        self._frames_since_done: int | None = None
        self._asked_ms: dict[str, int] = {}

    def client_said(self, kind: str, message: Mapping[str, Any], at_ms: int) -> None:
        """Take a text message of the client's, of type ``kind``."""
        if kind in _CLIENT_GIVES_FLOOR:
            self._frames_since_done = None
        if kind == "FunctionCallResponse":
            self._close_call(message)

    def vendor_said(self, kind: str, message: Mapping[str, Any], at_ms: int) -> None:
        """Take a text message of the vendor's, of type ``kind``."""
        if kind == "Welcome":
            self._welcome(at_ms)
            return
        self._check_start(kind, at_ms)
        if kind == "SettingsApplied":
            self._is_applied = True
        elif kind == "AgentAudioDone":
            self._frames_since_done = self._frames_since_done or 0
        elif kind in _VENDOR_GIVES_FLOOR:
            self._frames_since_done = None
        self._follow_calls(kind, message, at_ms)
        if kind == "Error":
            self._report("no-error", at_ms, f"the vendor reported an Error, {_code(message)}")

    def agent_audio(self, frames: int, at_ms: int) -> None:
        """Take so many binary messages of the agent's."""
        self._check_start(None, at_ms)
        if self._frames_since_done is None:
            return
        self._frames_since_done += frames
        if self._frames_since_done > LATE_FRAMES:
            # Said once: only after the next AgentAudioDone is there something new to say.
            self._frames_since_done = None
            what = f"agent audio, more than {LATE_FRAMES} frames, came after its AgentAudioDone"
            self._report("no-audio-after-done", at_ms, what)

    @property
    def watches_audio(self) -> bool:
        """False where further agent audio changes nothing until the next text message of either side."""
        # What comes before the Welcome comes before SettingsApplied as well.
        has_started = self._is_applied or "settings-applied-first" in self._broken
        return self._frames_since_done is not None or not has_started

    def ended(self, at_ms: int, cut: bool) -> None:
        """Judge what is still open at the session's end; ``cut``: we ended it, so nobody had the time to answer."""
        for asked_ms in [] if cut else self._asked_ms.values():
            waited = format_time(max(0, at_ms - asked_ms))
            what = f"a function call was neither answered nor cancelled until the session ended, {waited} later"
            self._report("function-answered", asked_ms, what)
        self._asked_ms.clear()

    def _welcome(self, at_ms: int) -> None:
        if self._is_welcomed:
            self._report_once("one-welcome", at_ms, "a second Welcome came")
        self._is_welcomed = True

    def _check_start(self, kind: str | None, at_ms: int) -> None:
        """``kind`` None: agent audio."""
        shown = "agent audio" if kind is None else kind if kind in SERVER_TYPES else "a message"
        if not self._is_welcomed:
            self._report_once("welcome-first", at_ms, f"{shown} came before the Welcome")
        if not self._is_applied and (kind is None or kind in _OF_THE_AGENT):
            self._report_once("settings-applied-first", at_ms, f"{shown} came before SettingsApplied")

    def _follow_calls(self, kind: str, message: Mapping[str, Any], at_ms: int) -> None:
        if kind == "FunctionCallRequest":
            for call in _calls_in(message):
                self._open_call(call, at_ms)
        elif kind == "FunctionCallCancelled":
            for call in _calls_in(message):
                self._close_call(call)
        elif kind == "UserStartedSpeaking":  # it cancels all of them, and did so before there was a message for it
            self._asked_ms.clear()

    def _open_call(self, call: Mapping[str, Any], at_ms: int) -> None:
        call_id = call.get("id")
        if call.get("client_side") is not True or not isinstance(call_id, str) or len(call_id) > _LONGEST_ID:
            return
        if len(self._asked_ms) < MOST_OPEN_CALLS:
            self._asked_ms.setdefault(call_id, at_ms)

    def _close_call(self, call: Mapping[str, Any]) -> None:
        call_id = call.get("id")
        if isinstance(call_id, str):
            self._asked_ms.pop(call_id, None)

    def _report_once(self, rule: OrderRule, at_ms: int, what: str) -> None:
        if rule not in self._broken:
            self._broken.add(rule)
            self._report(rule, at_ms, what)

    def _report(self, rule: OrderRule, at_ms: int, what: str) -> None:
        if self._violations < MOST_VIOLATIONS:
            self._violations += 1
            self._found(Violation(rule=rule, at_ms=at_ms, what=what))


def violation_sentence(violation: Violation, request_id: str | None) -> str:
    """Say what a session broke, and when."""
    session = f"session {request_id}" if request_id else "a session without an id"
    return f"{session}, {format_time(violation.at_ms)} after its dial: {violation.what} ({violation.rule})"


def is_of_order(rule: str) -> bool:
    """Return whether a rule is about the order of messages: an Error is what the client is told in any case."""
    return rule != "no-error"


def _calls_in(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    calls = message.get("functions")
    return (call for call in calls if isinstance(call, Mapping)) if isinstance(calls, list) else iter(())


def _code(message: Mapping[str, Any]) -> str:
    """Return an Error's code; what does not look like one may be anything."""
    code = message.get("code")
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", code) else "without a code"
