"""What a test expects of a session: whether a message is it, and what may be wrong if none is. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pytest_dgbudget.client.received import AgentAudio, described_audio, is_of_user
from pytest_dgbudget.client.scenario import ClientMessageType
from pytest_dgbudget.rules.vendor_messages import (
    SERVER_TYPES,
    ConversationText,
    ErrorMessage,
    FunctionCallRequest,
    InjectionRefused,
    Message,
)

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

_CLIENT_TYPES = frozenset(get_args(ClientMessageType)) - SERVER_TYPES
# How many of the messages that did come an ExpectTimeout lists.
_MOST_LISTED = 50
# Of a text, so much is shown.
_LONGEST_SHOWN = 100
# A pause in audio that is no gap between two frames.
_QUIET_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A message of a type, for which ``predicate`` is true, with these values in its fields.

    A value is compared; a compiled pattern is searched for; a function of one argument must return something true.
    """

    type: str
    predicate: Callable[[Any], object] | None
    fields: Mapping[str, Any]

    def matches(self, message: Message) -> bool:
        """Return whether a message is it; raises what a predicate raises."""
        return message.type == self.type and self.mismatch(message) is None

    def mismatch(self, message: Message) -> str | None:
        """Return in which way a message of the type is another one; None if it is as expected."""
        for name, wanted in self.fields.items():
            value = message.data.get(name)
            if not _is(value, wanted):
                return f"its {name} is {_shown(value)}" if name in message.data else _no_field(message, name)
        if self.predicate is not None and not self.predicate(message):
            return f"{_name(self.predicate)} is false for it"
        return None

    def _may_match(self, message: Message) -> bool:
        """The same of a message that the predicate was not meant for."""
        try:
            return self.matches(message)
        except Exception:
            return False

    def __str__(self) -> str:
        fields = [f"{name}={_described(value)}" for name, value in self.fields.items()]
        predicates = [] if self.predicate is None else [_name(self.predicate)]
        return ", ".join([self.type, *predicates, *fields])

    def why_none(self, earlier: Sequence[Message], since: Sequence[Message]) -> str:
        """Return what may be wrong if none came, of what had been looked at before and of what came since."""
        if self.type in _CLIENT_TYPES:
            return f"; {self.type} is a message of the client's, which the agent never sends"
        if self.type not in SERVER_TYPES:
            likely = "".join(f"; did you mean {name}?" for name in get_close_matches(self.type, SERVER_TYPES, n=1))
            return f"; Deepgram documents no message of the type {self.type!r}{likely}"
        others = [message for message in since if message.type == self.type]
        if others:
            return f"; the last {self.type} came at {others[-1].at:.2f} s, but {self.mismatch(others[-1])}"
        if any(self._may_match(message) for message in earlier):
            return "; one came earlier, and the last say or expect has passed it: it is in events()"
        return ""


def unanswered(functions: Collection[str]) -> str:
    """Name the functions whose answer the agent may be waiting for."""
    if not functions:
        return ""
    return f"; no handler answers {', '.join(sorted(functions))}: register one for each with on_function"


def unended(messages: Sequence[Message], quiet_seconds: float | None) -> str:
    """Say so where the user has begun to speak, and no audio came in which that could end."""
    of_turns = (
        message for message in reversed(messages) if message.type == "UserStartedSpeaking" or is_of_user(message)
    )
    last = next(of_turns, None)
    if last is None or is_of_user(last) or (quiet_seconds is not None and quiet_seconds < _QUIET_SECONDS):
        return ""
    sent = "no audio was sent" if quiet_seconds is None else f"the last audio was sent {quiet_seconds:.1f} s ago"
    return (
        f"; the user's turn has not ended: {sent}, and a turn ends by audio "
        "that arrives, silence included (send_audio goes on with it for as long as trailing= says)"
    )


def listed(came: Sequence[Message | AgentAudio]) -> str:
    """List what came, a line each with its time; of a flood, the last only."""
    if not came:
        return "nothing"
    earlier = len(came) - _MOST_LISTED
    lines = [f"{each.at:8.2f} s  {_brief(each)}" for each in came[-_MOST_LISTED:]]
    return "\n".join(["", *([f"  ({earlier} earlier)"] if earlier > 0 else []), *lines])


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.search(value) is not None
    if _is_predicate(wanted):
        return bool(wanted(value))
    return bool(value == wanted)


def _is_predicate(wanted: Any) -> bool:
    return callable(wanted) and not isinstance(wanted, type)


def _described(wanted: Any) -> str:
    if isinstance(wanted, re.Pattern):
        return f"/{wanted.pattern}/"
    return _name(wanted) if _is_predicate(wanted) else repr(wanted)


def _name(predicate: Callable[..., object]) -> str:
    return str(getattr(predicate, "__name__", None) or predicate).replace("<lambda>", "a lambda")


def _no_field(message: Message, name: str) -> str:
    likely = "".join(f"; did you mean {each}?" for each in get_close_matches(name, message.data, n=1))
    return f"it has no field {name!r}{likely}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _brief(came: Message | AgentAudio) -> str:
    if isinstance(came, AgentAudio):
        return f"(agent audio, {described_audio(came)})"
    if isinstance(came, ConversationText):
        return f"ConversationText {came.role}: {_shown(came.content)}"
    if isinstance(came, ErrorMessage):
        return f"Error {came.code}: {came.description}"
    if isinstance(came, InjectionRefused):
        return f"InjectionRefused: {came.message}"
    if isinstance(came, FunctionCallRequest):
        return f"FunctionCallRequest {', '.join(f'{call.name}({call.arguments})' for call in came.functions)}"
    return came.type or f"unparsable {_shown(came.data.get('unparsable'))}"
