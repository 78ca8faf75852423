"""What a test expects of a session: whether a message is it, and what may be wrong if none is. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pytest_dgbudget.rules.vendor_messages import (
    SERVER_TYPES,
    ConversationText,
    ErrorMessage,
    FunctionCallRequest,
    Message,
)

# How many of the messages that did come an ExpectTimeout lists.
_MOST_LISTED = 50
# A pause in audio that is no gap between two frames.
_QUIET_SECONDS = 1.0


def matches(message: Message, kind: str, fields: Mapping[str, Any]) -> bool:
    return message.type == kind and all(_is(message.data.get(name), value) for name, value in fields.items())


def is_of_user(message: Message) -> bool:
    """Return whether it has what the user said."""
    return isinstance(message, ConversationText) and message.role == "user"


def why_none(earlier: Sequence[Message], kind: str, fields: Mapping[str, Any]) -> str:
    """Return what may be wrong with an expectation that was not met."""
    if any(matches(message, kind, fields) for message in earlier):
        return "; one came earlier, and the last say or expect has passed it: it is in events()"
    if kind not in SERVER_TYPES:
        likely = "".join(f"; did you mean {name}?" for name in get_close_matches(kind, sorted(SERVER_TYPES), n=1))
        return f"; Deepgram documents no message of the type {kind!r}{likely}"
    return ""


def unanswered(messages: Sequence[Message], answered: Collection[str]) -> str:
    """Name the functions that the agent may be waiting for."""
    requests = (message for message in messages if isinstance(message, FunctionCallRequest))
    calls = (call for request in requests for call in request.functions if call.client_side)
    names = sorted({call.name for call in calls} - set(answered))
    return f"; no handler answers {', '.join(names)}: register one for each with on_function" if names else ""


def unended(messages: Sequence[Message], quiet_seconds: float) -> str:
    """Say so where the user has begun to speak, and no audio came in which that could end."""
    of_turns = (
        message for message in reversed(messages) if message.type == "UserStartedSpeaking" or is_of_user(message)
    )
    last = next(of_turns, None)
    if last is None or is_of_user(last) or quiet_seconds < _QUIET_SECONDS:
        return ""
    return (
        f"; the user's turn has not ended: the last audio was sent {quiet_seconds:.1f} s ago, and a turn ends by audio "
        "that arrives, silence included (send_audio goes on with it for as long as trailing= says)"
    )


def listed(messages: Sequence[Message]) -> str:
    """List what was received; of a flood, the last messages only."""
    shown = ", ".join(_brief(message) for message in messages[-_MOST_LISTED:]) or "nothing"
    earlier = len(messages) - _MOST_LISTED
    return f"{shown} (and {earlier} earlier)" if earlier > 0 else shown


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.search(value) is not None
    return bool(value == wanted)


def _brief(message: Message) -> str:
    if isinstance(message, ConversationText):
        return f"ConversationText({message.role}: {message.content[:60]!r})"
    if isinstance(message, ErrorMessage):
        return f"Error({message.code}: {message.description})"
    return message.type or f"unparsable {str(message.data.get('unparsable'))[:60]!r}"
