"""What the user said, and how the emulator answers: it repeats what was said and calls functions. Pure.

All of it is the emulator's choice: there is no model behind it, and it never pretends that there is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_dgbudget.emulator.agent.function_endpoint import FunctionEndpoint
from pytest_dgbudget.emulator.agent.message_writer import Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One of ``agent.think.functions``; without an endpoint, the client calls it."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    endpoint: FunctionEndpoint | None = None

    @property
    def callable(self) -> bool:
        """Whether the emulator or the client can call it."""
        return self.endpoint is None or self.endpoint.local


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the user said and the agent has yet to answer.

    ``spoken_ms`` is set if it came as audio; then ``text`` may be None, since the emulator does not transcribe.
    ``trigger`` is what ended it, as EndOfTurn has it.
    """

    text: str | None = None
    spoken_ms: int | None = None
    trigger: Trigger = "manual"

    @property
    def transcript(self) -> str:
        return transcript_of_speech(self.spoken_ms or 0) if self.text is None else self.text

    @property
    def reply(self) -> str:
        return reply_to_speech(self.spoken_ms or 0) if self.text is None else reply_to_text(self.text)


MADE_UP = "Let me say something of my own."  # where the vendor's model is asked to make something up


def reply_to_text(text: str) -> str:
    return f"You said: {text}"


def transcript_of_speech(milliseconds: int) -> str:
    """Return the placeholder for spoken words: the emulator does not transcribe."""
    return f"(speech, {milliseconds / 1000:.1f} s)"


def reply_to_speech(milliseconds: int) -> str:
    return f"I heard {milliseconds / 1000:.1f} s of speech."


def reply_to_result(name: str, content: str) -> str:
    return f"The answer of {name} is: {content}"


def reply_to_failure(name: str) -> str:
    return f"{name} gave no answer."


def thought_of_calling(name: str) -> str:
    """Return the text of AgentThinking."""
    return f"The user's words fit {name}; I will call it."


def function_for(text: str, functions: Iterable[Function]) -> Function | None:
    """Return the callable function that shares the most words with the text, the first of equals; None if none does."""
    said = _words(text)
    best, most = None, 0
    for function in functions:
        shared = len(said & _words(f"{function.name} {function.description}"))
        if function.callable and shared > most:
            best, most = function, shared
    return best


def arguments_for(function: Function, text: str) -> str:
    """Return a JSON text with a value for every property of the function's JSON Schema."""
    return json.dumps(_object(function.parameters, text, 0))


_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a about all am an and any are as at be been but by can could did do does for from get had has have he her his "
        "how i if in into is it its just let like me my no not of on or our out please she should so some that the "
        "their them then there these they this those to up us use user was we were what when where which who will "
        "with would yes you your",
    )
)


def _words(text: str) -> set[str]:
    """Return the words that carry meaning, in lower case; ``getOrder`` and ``get_order`` are two words each."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return {word for word in re.findall(r"[^\W_]+", split.lower()) if word not in _COMMON}


_Filler = Callable[[Mapping[str, Any], str, int], Any]
_DEEPEST = 8  # levels of a schema that are filled; a schema may nest without limit


def _value(schema: Any, text: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return text
    for key in ("const", "default", "example"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _mentioned(schema[key], text)
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _value(schema[key][0], text, depth + 1)
    fill: _Filler = _BY_TYPE.get(_type(schema), _string)
    return fill(schema, text, depth)


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):  # ["string", "null"]
        kind = next((each for each in kind if each != "null"), None)
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "string"


def _mentioned(choices: list[Any], text: str) -> Any:
    """Return the choice that the user mentioned, else the first."""
    return next((each for each in choices if isinstance(each, str) and each.lower() in text.lower()), choices[0])


def _object(schema: Mapping[str, Any], text: str, depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {name: _value(each, text, depth + 1) for name, each in properties.items()}


def _array(schema: Mapping[str, Any], text: str, depth: int) -> list[Any]:
    return [_value(schema.get("items"), text, depth + 1)]


def _string(_schema: Mapping[str, Any], text: str, _depth: int) -> str:
    """Return the part of the text that looks most like a value: ``A-17``, else a name (``Paris``), else all of it."""
    numbered = next((token for token in re.findall(r"[\w-]+", text) if re.search(r"\d", token)), None)
    name = re.search(r"(?<=[a-z,] )[A-Z]\w+", text)
    return numbered or (name.group() if name else text)


def _integer(schema: Mapping[str, Any], text: str, _depth: int) -> int:
    found = re.search(r"\d{1,9}", text)
    return int(found.group()) if found else int(_least(schema))


def _number(schema: Mapping[str, Any], text: str, _depth: int) -> float:
    found = re.search(r"\d{1,9}(\.\d{1,9})?", text)
    return float(found.group()) if found else _least(schema)


def _least(schema: Mapping[str, Any]) -> float:
    least = schema.get("minimum")
    return least if isinstance(least, int) else 1


_BY_TYPE: dict[str, _Filler] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _schema, _text, _depth: True,
    "null": lambda _schema, _text, _depth: None,
}
