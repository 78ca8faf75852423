"""What a cassette asks for before each thing that the vendor does: the causes that a replay waits for.

A message of the vendor's waits for every text of the client's that was recorded before it; and for the user's speech
that was recorded before the last UserStartedSpeaking or ConversationText(user) at or before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from secrets import choice
from string import ascii_lowercase
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteText
from pytest_dgbudget.cassette.numbering import in_each_text

CLIENT = "client_to_server"
# They need not come before the client closes: they say what was, and race with the Close.
TRAILING_TYPES = frozenset(
    {
        "AgentAudioDone",
        "AgentStartedSpeaking",
        "AgentThinking",
        "EndOfTurn",
        "History",
        "LatencyReport",
        "UserStartedSpeaking",
    }
)
_IDS = frozenset({"request_id", "id", "thought_signature"})
_name = re.compile(r"(?<![\w-])(?:request|call|signature)-[0-9]+(?![\w-])")
_LETTERS = 14


@dataclass(slots=True, eq=False)
class Call:
    """A function call that the vendor made, ``asked_ms`` after the dial, and the client's answers to it.

    ``forgiven``: it was cancelled, or the user interrupted it and it has no answer. Whether the client is done sooner
    is chance, so it may answer or not.
    """

    name: str
    asked_ms: int
    answers: list[ExpectedText] = field(default_factory=list)
    forgiven: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class ExpectedText:
    """A text that the client sent. ``after_ms``: when what came last before it had passed; the ``call`` of an answer.

    ``after`` is what that was: None is the dial, or the answer's call. ``needed`` is False where nobody waits for it.
    """

    text: CassetteText
    after_ms: int
    after: CassetteText | CassetteAudio | None = None
    call: Call | None = None
    needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorStep:
    """One thing that the vendor did, and its own causes: the client's texts since the step before.

    ``heard`` is how much of the user's audio, silence included, had come when the vendor heard them; None where this
    step says nothing of that. ``event`` is None at the end of the session.
    """

    event: CassetteText | CassetteAudio | None
    at_ms: int
    texts: tuple[ExpectedText, ...]
    heard: int | None = None
    ends_utterance: bool = False


class Causes:
    """A cassette's steps, the client's texts in order, and its calls by their ids.

    ``awaited``: the numbers of the steps that wait for a text, or are one that must have come before the client closes.
    """

    def __init__(self, cassette: Cassette) -> None:
        # Those that come in order, and those that answer a call.
        self.in_order: list[ExpectedText] = []
        self.calls: dict[str, Call] = {}
        self._interrupted: set[str] = set()
        self.steps = tuple(self._steps(cassette))
        for id_ in self._interrupted:
            self.calls[id_].forgiven = self.calls[id_].forgiven or not self.calls[id_].answers
        self.awaited = [number for number, step in enumerate(self.steps) if step.texts or must_come(step)]

    def _steps(self, cassette: Cassette) -> Iterator[VendorStep]:
        texts: list[ExpectedText] = []
        heard = 0
        last: CassetteText | CassetteAudio | None = None
        for event in cassette.events:
            if isinstance(event, CassetteAudio) and event.side == CLIENT:
                heard += event.size
                continue
            if isinstance(event, CassetteText) and event.side == CLIENT:
                if type_of(event.payload) == "KeepAlive":
                    continue
                texts.append(self._expect(event, last))
            else:
                said = heard_in(event)
                yield VendorStep(
                    event=event,
                    at_ms=event.at_ms,
                    texts=tuple(texts),
                    heard=heard if said else None,
                    ends_utterance=said == "ConversationText",
                )
                texts = []
                self._follow_calls(event)
            last = event
        last_ms = 0 if last is None else last.at_ms
        yield VendorStep(event=None, at_ms=max(cassette.facts.ms, last_ms), texts=tuple(texts))

    def _expect(self, event: CassetteText, last: CassetteText | CassetteAudio | None) -> ExpectedText:
        call = self.calls.get(answered_id(event.payload) or "")
        if call is None:
            expected = ExpectedText(text=event, after_ms=0 if last is None else last.at_ms, after=last)
            self.in_order.append(expected)
        else:
            expected = ExpectedText(text=event, after_ms=call.asked_ms, call=call, needed=not call.forgiven)
            call.answers.append(expected)
        return expected

    def _follow_calls(self, event: CassetteText | CassetteAudio) -> None:
        if not isinstance(event, CassetteText):
            return
        kind = type_of(event.payload)
        if kind == "FunctionCallRequest":
            for each in calls_in(event.payload):
                if each.get("client_side") is not False:
                    self.calls.setdefault(each["id"], Call(str(each.get("name")), event.at_ms))
        elif kind == "FunctionCallCancelled":
            for each in calls_in(event.payload):
                call = self.calls.get(each["id"])
                if call is not None and not call.answers:
                    call.forgiven = True
        elif kind == "UserStartedSpeaking":  # it cancels all of them, and did so before there was a message for it
            self._interrupted.update(id_ for id_, call in self.calls.items() if not call.answers)


def must_come(step: VendorStep) -> bool:
    """Return whether a step is a text that must have come before the client closes."""
    return isinstance(step.event, CassetteText) and type_of(step.event.payload) not in TRAILING_TYPES


def type_of(payload: Any) -> str | None:
    """Return a message's type; None where it has none that is a text."""
    kind = payload.get("type") if isinstance(payload, dict) else None
    return kind if isinstance(kind, str) else None


def heard_in(event: CassetteText | CassetteAudio) -> str | None:
    """Return the type of a message that says that the vendor heard the user."""
    if not isinstance(event, CassetteText):
        return None
    kind = type_of(event.payload)
    if kind == "UserStartedSpeaking" or (kind == "ConversationText" and event.payload.get("role") == "user"):
        return kind
    return None


def answered_id(payload: Any) -> str | None:
    """Return the id of the call that a message answers; None where it answers none."""
    id_ = payload.get("id") if type_of(payload) == "FunctionCallResponse" else None
    return id_ if isinstance(id_, str) else None


def texts_of_client(cassette: Cassette) -> Iterator[CassetteText]:
    """Yield the client's texts that are matched."""
    for event in cassette.events:
        if isinstance(event, CassetteText) and event.side == CLIENT and type_of(event.payload) != "KeepAlive":
            yield event


def calls_in(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of a FunctionCallRequest or FunctionCallCancelled that have an id."""
    calls = payload.get("functions")
    if not isinstance(calls, list):
        return []
    return [each for each in calls if isinstance(each, dict) and isinstance(each.get("id"), str)]


class NumberedIds:
    """The ids of the vendor's that a cassette numbers; those ``of_welcome`` are its session's own."""

    def __init__(self, cassette: Cassette) -> None:
        texts = [event for event in cassette.events if isinstance(event, CassetteText) and event.side != CLIENT]
        welcomes = [event.payload for event in texts if type_of(event.payload) == "Welcome"]
        self.all = {name for event in texts for name in _ids_in(event.payload)}
        self.of_welcome = frozenset(_ids_in(welcomes[:1]))


class FreshIds:
    """Ids for a replay in the place of those that a cassette numbers, and back.

    They have letters alone, and few: what ``dg_scrub`` looks for is not among them.
    """

    def __init__(self, numbered: NumberedIds, request_id: str) -> None:
        """``request_id`` is that of the Welcome."""
        self._fresh = {name: _fresh_id(name) for name in numbered.all}
        self._fresh |= dict.fromkeys(numbered.of_welcome, request_id)
        self._names = {fresh: name for name, fresh in self._fresh.items()}
        self._any_fresh = re.compile("|".join(self._names) or "(?!)")

    def fresh(self, payload: Any) -> Any:
        """Return a message of the vendor's with its ids as they are in this replay."""
        return in_each_text(payload, lambda text: _name.sub(lambda found: self._fresh.get(found[0], found[0]), text))

    def name_of(self, id_: str) -> str | None:
        """Return the cassette's id for one of this replay; None for a number, which no client has been told."""
        return None if id_ in self._fresh else self._names.get(id_, id_)

    def as_recorded(self, text: str) -> str:
        """Return a text of the client's with the ids that the cassette has for them."""
        return self._any_fresh.sub(lambda found: self._names[found[0]], text)


def _ids_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key in _IDS and isinstance(each, str) and _name.fullmatch(each):
                yield each
            yield from _ids_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _ids_in(each)


def _fresh_id(name: str) -> str:
    return f"{name.partition('-')[0]}_{''.join(choice(ascii_lowercase) for _ in range(_LETTERS))}"
