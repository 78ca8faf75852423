"""The Voice Agent's messages: parse, classify, and the one rewrite of Settings.

Facts: the vendor's AsyncAPI file of 2026-07-22 and, for what is newer, its official Python SDK 7.17.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from json import JSONDecoder, dumps, loads
from typing import Any, Literal, get_args

from pytest_dgbudget.rules.budget import LONGEST_SESSION_MS

MessageType = Literal[
    "AgentAudioDone",
    "AgentStartedSpeaking",
    "AgentThinking",
    "ConversationText",
    "EndOfTurn",
    "Error",
    "FrustrationDetected",
    "FunctionCallCancelled",
    "FunctionCallRequest",
    "FunctionCallResponse",
    "History",
    "InjectionRefused",
    "LatencyReport",
    "ListenUpdated",
    "PromptUpdated",
    "SettingsApplied",
    "SpeakUpdated",
    "ThinkLiveUpdated",
    "ThinkUpdated",
    "UserStartedSpeaking",
    "Warning",
    "Welcome",
]
SERVER_TYPES: frozenset[str] = frozenset(get_args(MessageType))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A server message: its ``type`` and all of its fields as they came (``data``).

    ``at`` is when it came, in seconds since the session opened: in a test's session, 0.0 elsewhere.
    """

    type: str
    data: Mapping[str, Any]
    at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome(Message):
    """The first message of every session; ``request_id`` is the vendor's key for it."""

    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationText(Message):
    """What was said, by ``role`` (``user`` or ``assistant``)."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """One call out of a FunctionCallRequest; ``arguments`` is a JSON text.

    ``client_side`` is False where Deepgram calls the function itself.
    """

    id: str
    name: str
    arguments: str
    client_side: bool

    @property
    def parsed_arguments(self) -> dict[str, Any]:
        """The arguments by name; raises ValueError where they are no JSON object."""
        parsed = loads(self.arguments or "{}")
        if not isinstance(parsed, dict):
            raise ValueError(f"the arguments of {self.name} are no JSON object: {self.arguments}")
        return parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallRequest(Message):
    """The agent wants functions called."""

    functions: tuple[FunctionCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallCancelled(Message):
    """The agent wants no answer to these calls any more (``ids``): the user went on."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionRefused(Message):
    """The agent did not take an injected message; ``message`` says why."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMessage(Message):
    """The session is failing; the vendor says to treat any Error as the session's end."""

    code: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningMessage(Message):
    """Something went wrong that the session survives."""

    code: str
    description: str


def parse(text: str | bytes) -> Message:
    """Return a server message; raise ValueError when it is not a JSON object with a ``type``.

    A message whose typed fields are not as documented comes as a plain Message: never an error.
    """
    try:
        data = loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise ValueError("not a JSON object with a type")
    build = _TYPED.get(data["type"])
    if build is not None:
        try:
            return build(data)
        except (KeyError, TypeError):
            pass
    return Message(type=writable(data["type"]), data=data)


def writable(text: str) -> str:
    """Return a text of the vendor's without the halves of characters that JSON may hold and nothing else can."""
    return text.encode("utf-8", "replace").decode()


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(key)
    return writable(value)


def _truth(data: Mapping[str, Any], key: str) -> bool:
    value = data[key]
    if not isinstance(value, bool):
        raise TypeError(key)
    return value


def _function_calls(data: Mapping[str, Any]) -> FunctionCallRequest:
    if not isinstance(data["functions"], list):
        raise TypeError("functions")
    calls = tuple(
        FunctionCall(
            id=_text(call, "id"),
            name=_text(call, "name"),
            arguments=_text(call, "arguments"),
            client_side=_truth(call, "client_side"),
        )
        for call in data["functions"]
    )
    return FunctionCallRequest(type=data["type"], data=data, functions=calls)


_TYPED: dict[str, Callable[[dict[str, Any]], Message]] = {
    "Welcome": lambda d: Welcome(type=d["type"], data=d, request_id=_text(d, "request_id")),
    "ConversationText": lambda d: ConversationText(
        type=d["type"], data=d, role=_text(d, "role"), content=_text(d, "content")
    ),
    "FunctionCallRequest": _function_calls,
    "FunctionCallCancelled": lambda d: FunctionCallCancelled(
        type=d["type"], data=d, ids=tuple(_text(call, "id") for call in d["functions"])
    ),
    "InjectionRefused": lambda d: InjectionRefused(type=d["type"], data=d, message=_text(d, "message")),
    "Error": lambda d: ErrorMessage(type=d["type"], data=d, code=_text(d, "code"), description=_text(d, "description")),
    "Warning": lambda d: WarningMessage(
        type=d["type"], data=d, code=_text(d, "code"), description=_text(d, "description")
    ),
}


def with_tag(settings: str, tag: str) -> str:
    """Return a Settings text whose ``tags`` end in ``tag``; every other byte of it stays.

    A text that is not a JSON object, or whose ``tags`` are not a list, is returned as it is: the vendor will say so.
    """
    try:
        fields, first_key = _top_level(settings)
    except (ValueError, RecursionError):
        return settings
    if "tags" not in fields:
        separator = ", " if fields else ""
        return f'{settings[:first_key]}"tags": {dumps([tag])}{separator}{settings[first_key:]}'
    start, end, tags = fields["tags"]
    if tags is None:
        tags = []
    if not isinstance(tags, list):
        return settings
    return f"{settings[:start]}{dumps([*tags, tag])}{settings[end:]}"


def total_latency_ms(report: Mapping[str, Any]) -> int | None:
    """Return the total of a LatencyReport, which is in seconds; None without one, and for what can't be one."""
    total = report.get("total_latency")
    if isinstance(total, bool) or not isinstance(total, (int, float)):
        return None
    return round(total * 1000) if 0 <= total * 1000 <= LONGEST_SESSION_MS else None


_DECODER = JSONDecoder()
_skip_blanks = re.compile(r"[ \t\n\r]*").match
# Settings have six. Each one takes microseconds here, so a text of nothing but fields would take long.
_MOST_FIELDS = 1000


def _top_level(text: str) -> tuple[dict[str, tuple[int, int, Any]], int]:
    """Return start, end and value of each field of a JSON object, and where its first key would stand.

    Of a key that stands twice the last one counts, as for every common parser. Raises ValueError for anything else.
    """
    at = _expect(text, _skip(text, 0), "{")
    first_key = at = _skip(text, at)
    fields: dict[str, tuple[int, int, Any]] = {}
    for number in range(_MOST_FIELDS + 1):
        if text[at : at + 1] == "}":
            break
        if number:
            at = _skip(text, _expect(text, at, ","))
        _expect(text, at, '"')
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _expect(text, _skip(text, at), ":"))
        value, end = _DECODER.raw_decode(text, start)
        fields[key] = (start, end, value)
        at = _skip(text, end)
    if _skip(text, _expect(text, at, "}")) != len(text):
        raise ValueError("text after the object")
    return fields, first_key


def _skip(text: str, at: int) -> int:
    blanks = _skip_blanks(text, at)
    return blanks.end() if blanks else at


def _expect(text: str, at: int, character: str) -> int:
    if text[at : at + 1] != character:
        raise ValueError(f"no {character!r} at {at}")
    return at + 1
