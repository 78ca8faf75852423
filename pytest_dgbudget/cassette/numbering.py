"""Ids and latencies differ each time: in a cassette ids are numbered, and latencies stand beside the instants.

Where the vendor's messages have them: its AsyncAPI file. A ``thought_signature`` is an id there as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import count
from typing import Any

from pytest_dgbudget.recording.lines import Side

# Stands for a latency in ``session.jsonl``.
LATENCY = "(seconds)"
# Of a day; what is more, or negative, is none.
MOST_LATENCY = 86_400

# A message's type, and where it has calls.
_CALLS = {"FunctionCallRequest": "functions", "FunctionCallCancelled": "functions", "History": "function_calls"}
_NAMED = ("request", "call", "signature")
_NAME = re.compile(rf"(?:{'|'.join(_NAMED)})-[0-9]+")
_CALL_IDS = {"id": "call", "thought_signature": "signature"}
_WITH_LATENCIES = ("LatencyReport", "AgentStartedSpeaking")
# A shorter id, or one of other characters, could be a part of any text: it is numbered where ids stand alone.
_DISTINCT = re.compile(r"(?=.*\d)[A-Za-z0-9+/=_.:-]{8,4096}")


def numbered(messages: Sequence[tuple[Side, Any]]) -> list[Any]:
    """Return a session's messages with the vendor's ids numbered, wherever they stand: ``request-1``, ``call-1``."""
    ids = _vendors_ids(messages)
    distinct = sorted(filter(_DISTINCT.fullmatch, ids), key=len, reverse=True)
    anywhere = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, distinct)) or '(?!)'})(?![\w-])")
    texts = {text for _, message in messages for text in _texts(message)} - ids.keys()
    names = _names(ids, {name for text in texts for name in _NAME.findall(anywhere.sub(" ", text))})

    def in_text(text: str) -> str:
        return anywhere.sub(lambda found: names[found[0]], text)

    return [_renamed(message, in_text, names) for _, message in messages]


def latency_fields(message: Any) -> list[str]:
    """Return the names of the fields of a message in which the vendor says how long something took."""
    if not isinstance(message, dict) or message.get("type") not in _WITH_LATENCIES:
        return []
    return [name for name in message if name.endswith("_latency")]


def latencies_in(message: Any) -> Mapping[str, float]:
    """Return by its field how long something took, in seconds, as a message says."""
    return {
        name: value
        for name in latency_fields(message)
        if isinstance(value := message[name], (int, float)) and not isinstance(value, bool)
        if 0 <= value <= MOST_LATENCY
    }


def _vendors_ids(messages: Sequence[tuple[Side, Any]]) -> Mapping[str, str]:
    """Return the ids that the vendor was the first to say, in that order, with what they name."""
    ids: dict[str, str] = {}
    said: set[str] = set()
    for side, message in messages:
        for holder, key, name in _places(message):
            id_ = holder[key]
            if side == "server_to_client" and id_ not in said:
                ids.setdefault(id_, name)
        if side == "client_to_server":
            said.update(set(_texts(message)) - ids.keys())
    return ids


def _places(message: Any) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield where a message has ids: what holds each, its key, and what it names."""
    if not isinstance(message, dict):
        return
    kind = message.get("type")
    if kind == "Welcome":
        yield from _ids_in(message, {"request_id": "request"})
    elif kind == "FunctionCallResponse":
        yield from _ids_in(message, _CALL_IDS)
    elif isinstance(kind, str) and isinstance(calls := message.get(_CALLS.get(kind, "")), list):
        for call in calls:
            if isinstance(call, dict):
                yield from _ids_in(call, _CALL_IDS)


def _ids_in(holder: dict[str, Any], names: Mapping[str, str]) -> Iterator[tuple[dict[str, Any], str, str]]:
    for key, name in names.items():
        if isinstance(holder.get(key), str) and holder[key]:
            yield holder, key, name


def _names(ids: Mapping[str, str], taken: Set[str]) -> Mapping[str, str]:
    """Return a name for each id, none of which a message has for something else."""
    free = {what: _free(what, taken) for what in _NAMED}
    return {id_: next(free[what]) for id_, what in ids.items()}


def _free(what: str, taken: Set[str]) -> Iterator[str]:
    return (name for number in count(1) if (name := f"{what}-{number}") not in taken)


def _renamed(message: Any, in_text: Callable[[str], str], names: Mapping[str, str]) -> Any:
    renamed = in_each_text(message, in_text)
    if isinstance(message, dict):
        if "type" in message:
            renamed["type"] = message["type"]
        for (holder, key, _), (before, _, _) in zip(_places(renamed), _places(message), strict=True):
            holder[key] = names.get(before[key], before[key])
    return renamed


def in_each_text(value: Any, in_text: Callable[[str], str]) -> Any:
    """Return a copy of a message with something done to each of its texts."""
    if isinstance(value, str):
        return in_text(value)
    if isinstance(value, list):
        return [in_each_text(each, in_text) for each in value]
    if isinstance(value, dict):
        return {in_text(key): in_each_text(each, in_text) for key, each in value.items()}
    return value


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a message, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _texts(each)
