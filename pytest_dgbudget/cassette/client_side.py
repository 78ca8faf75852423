"""A cassette's client side as steps, each with what it waits for: what a client does that has the session again. Pure.

A step waits for the *kinds* of messages that had come since the step before it began, not for how many there were: the
agent may say the same in other words, in more sentences, and later.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteText
from pytest_dgbudget.cassette.vendor_side import CLOSE, OPTIONAL, AgentOwes, sent_by_vendor
from pytest_dgbudget.recording.known_secrets import SCRUBBED
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.cassette_ignore import escaped
from pytest_dgbudget.rules.speech import can_be_read, loud_windows, window_size

# After a pause of more than that, in sound or in what is sent, speech begins anew.
_LONGEST_PAUSE_MS = 200
_PAUSE_WINDOWS = 10
# What is played with it before and after it, where there is some.
_EDGE_WINDOWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWords:
    """User audio that is played at one go: bytes in the session's format, each at so many milliseconds after the first.

    ``falls_silent``: quiet audio came after it.
    """

    pieces: Sequence[tuple[int, bytes]]
    falls_silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStep:
    """What the client does ``pause_ms`` after each kind of ``awaits`` has come, since the step before it began.

    ``does`` is a text message's JSON, or speech; None: it closes. ``until_done``: the agent has to have finished as
    well. ``gap_ms`` is how long nothing of that came when it was recorded, at most.
    """

    does: Any
    awaits: frozenset[str]
    until_done: bool
    pause_ms: int
    gap_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """A FunctionCallResponse, and how long after its request the client sent it."""

    message: Mapping[str, Any]
    after_ms: int


def steps_of(cassette: Cassette) -> list[ClientStep]:
    """Return what the client does, KeepAlives and answers to function calls apart; its own close is the last step."""
    waits = _Waits(cassette)
    steps = [waits.step(begins_ms, ends_ms, does) for begins_ms, ends_ms, does in _actions(cassette)]
    closed_by_vendor = cassette.facts.closed_by in ("server", "network")
    last = waits.step(cassette.facts.ms, cassette.facts.ms, None)
    return [*steps, replace(last, awaits=last.awaits | {CLOSE}) if closed_by_vendor else last]


def answers_of(cassette: Cassette) -> dict[str, deque[RecordedAnswer]]:
    """Return the recorded answers to function calls by the function's name, in order."""
    requested: dict[str, tuple[str, int]] = {}
    answers: dict[str, deque[RecordedAnswer]] = defaultdict(deque)
    for event in cassette.events:
        if not isinstance(event, CassetteText) or not isinstance(event.payload, Mapping):
            continue
        if event.side == "server_to_client":
            requested.update((id_, (name, event.at_ms)) for id_, name in called_in(event.payload))
        elif event.payload.get("type") == "FunctionCallResponse":
            unknown = str(event.payload.get("name")), event.at_ms
            name, at_ms = requested.get(str(event.payload.get("id")), unknown)
            answers[name].append(RecordedAnswer(message=event.payload, after_ms=event.at_ms - at_ms))
    return answers


def called_in(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield id and name of each function that the client is to call."""
    calls = message.get("functions") if message.get("type") == "FunctionCallRequest" else None
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping) and call.get("client_side") is not False:
            yield str(call.get("id")), str(call.get("name"))


def scrubbed_in(cassette: Cassette) -> list[str]:
    """Return where the client's messages lack what was scrubbed, also by the project's hook, as TYPE/POINTER."""
    found = []
    for event in cassette.events:
        if event.side == "client_to_server" and isinstance(event, CassetteText):
            kind = event.payload.get("type") if isinstance(event.payload, Mapping) else None
            scrubbed = [pointer for pointer, text in _texts("", event.payload) if SCRUBBED in text]
            found += [f"{kind}{pointer}" for pointer in (*scrubbed, *event.scrubbed)]
    return [*dict.fromkeys(found)]


def with_values(cassette: Cassette, values: Mapping[str, str]) -> Cassette:
    """Return the cassette with values, by TYPE/POINTER, in the place of what was scrubbed there."""
    events = []
    for event in cassette.events:
        if event.side == "client_to_server" and isinstance(event, CassetteText) and isinstance(event.payload, Mapping):
            kind = f"{event.payload.get('type')}"
            by_hook = {f"{kind}{pointer}" for pointer in event.scrubbed}
            filled = values.keys() & {place for place, _ in _texts(kind, event.payload)}
            event = replace(
                event,
                payload=_filled(kind, event.payload, values, by_hook),
                scrubbed=tuple(pointer for pointer in event.scrubbed if f"{kind}{pointer}" not in filled),
            )
        events.append(event)
    return replace(cassette, events=tuple(events))


def _texts(pointer: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield each text of a message with its place."""
    if isinstance(value, str):
        yield pointer, value
    for key, inner in _children(value):
        yield from _texts(f"{pointer}/{key}", inner)


def _filled(pointer: str, value: Any, values: Mapping[str, str], by_hook: Set[str]) -> Any:
    """Return a message with values where it was scrubbed: of what the hook has replaced, nothing stays."""
    if isinstance(value, str):
        if pointer not in values:
            return value
        stays = pointer not in by_hook or SCRUBBED in value
        return value.replace(SCRUBBED, values[pointer]) if stays else values[pointer]
    filled = {key: _filled(f"{pointer}/{key}", inner, values, by_hook) for key, inner in _children(value)}
    if isinstance(value, Mapping):
        return dict(zip(value, filled.values(), strict=True))
    return list(filled.values()) if isinstance(value, list) else value


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value holds, by the token of a JSON pointer."""
    if isinstance(value, Mapping):
        yield from ((escaped(str(key)), inner) for key, inner in value.items())
    elif isinstance(value, list):
        yield from ((str(place), inner) for place, inner in enumerate(value))


class _Waits:
    """What had come of the vendor's by each step, in order."""

    def __init__(self, cassette: Cassette) -> None:
        self._events = deque(cassette.events)
        self._owes = AgentOwes()
        self._since_ms = cassette.facts.handshake_ms

    def step(self, begins_ms: int, ends_ms: int, does: Any) -> ClientStep:
        first_ms: dict[str, int] = {}
        moved_ms, gap_ms = self._since_ms, 0
        while self._events and self._events[0].at_ms <= begins_ms and self._events[0] is not does:
            event = self._events.popleft()
            if event.side == "client_to_server":
                if isinstance(event, CassetteText):
                    self._owes.client_said(event.payload)
                continue
            sent = sent_by_vendor(event)
            self._owes.vendor_said(sent.kind)
            if sent.kind not in OPTIONAL:
                first_ms.setdefault(sent.kind, sent.at_ms)
                gap_ms, moved_ms = max(gap_ms, sent.at_ms - moved_ms), sent.at_ms
        caused_ms = max(self._since_ms, *first_ms.values()) if first_ms else self._since_ms
        self._since_ms = ends_ms
        return ClientStep(
            does=does.payload if isinstance(does, CassetteText) else does,
            awaits=frozenset(first_ms),
            until_done=self._owes.is_done and bool(first_ms),
            pause_ms=max(0, begins_ms - caused_ms),
            gap_ms=gap_ms,
        )


def _actions(cassette: Cassette) -> Iterator[tuple[int, int, Any]]:
    """Yield when each began and ended, and what it was: a text's event, or RecordedWords."""
    spoken = [(begins, ends, words) for begins, ends, words in _words_of(cassette)]
    texts = [
        (event.at_ms, event.at_ms, event)
        for event in cassette.events
        if event.side == "client_to_server" and isinstance(event, CassetteText) and not _follows(event.payload)
    ]
    yield from sorted([*texts, *spoken], key=lambda action: action[0])


def _follows(payload: Any) -> bool:
    """True for what a client sends by the way, or because it was asked to."""
    return isinstance(payload, Mapping) and payload.get("type") in ("KeepAlive", "FunctionCallResponse")


# The user's words ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Words:
    """Speech: when it passed, and its bytes, one range or more, each with when its first passed.

    ``sent`` is the number of what was sent without a pause that its last range is of.
    """

    begins_ms: int
    ends_ms: int
    ranges: tuple[tuple[int, int, int], ...]
    sent: int

    @property
    def begin(self) -> int:
        return self.ranges[0][1]

    @property
    def end(self) -> int:
        return self.ranges[-1][2]

    def with_more(self, more: _Words) -> _Words:
        """Return both as one: with the quiet between them where that was sent, else with its duration."""
        ranges = [*self.ranges, *more.ranges]
        if self.sent == more.sent:
            at_ms, begin, _ = self.ranges[-1]
            ranges = [*self.ranges[:-1], (at_ms, begin, more.ranges[0][2]), *more.ranges[1:]]
        return replace(more, begins_ms=self.begins_ms, ranges=tuple(ranges))


def _words_of(cassette: Cassette) -> Iterator[tuple[int, int, RecordedWords]]:
    """Yield the user's words, when they began and ended: apart where something came between that they may answer."""
    chunks = [each for each in cassette.events if isinstance(each, CassetteAudio) and each.side == "client_to_server"]
    audio = cassette.audio.get("client_to_server", b"")
    spoken = [*_joined(cassette, _spoken(audio, cassette.formats.get("client_to_server"), chunks))]
    for words, next_begin in zip(spoken, [*(each.begin for each in spoken[1:]), len(audio)], strict=False):
        pieces = [(at_ms - words.begins_ms, audio[begin:end]) for at_ms, begin, end in words.ranges]
        yield words.begins_ms, words.ends_ms, RecordedWords(pieces=pieces, falls_silent=next_begin > words.end)


def _joined(cassette: Cassette, spoken: Iterator[_Words]) -> Iterator[_Words]:
    breaks_ms = [*_instants_of_others(cassette)]
    last: _Words | None = None
    for words in spoken:
        if last is not None and not any(last.ends_ms < at_ms <= words.begins_ms for at_ms in breaks_ms):
            last = last.with_more(words)
            continue
        if last is not None:
            yield last
        last = words
    if last is not None:
        yield last


def _instants_of_others(cassette: Cassette) -> Iterator[int]:
    """Yield when the vendor sent something that comes each time, and when the client sent a text."""
    for event in cassette.events:
        if event.side == "server_to_client":
            if sent_by_vendor(event).kind not in OPTIONAL:
                yield event.at_ms
        elif isinstance(event, CassetteText) and not _follows(event.payload):
            yield event.at_ms


def _spoken(audio: bytes, format_: AudioFormat | None, chunks: Sequence[CassetteAudio]) -> Iterator[_Words]:
    for number, sent in enumerate(_sent_at_one_go(chunks, format_)):
        begin, end = sent[0].offset, sent[-1].offset + sent[-1].size
        if format_ is None or not can_be_read(format_):
            ranges = tuple((each.at_ms, each.offset, each.offset + each.size) for each in sent)
            yield _Words(sent[0].at_ms, sent[-1].at_ms, ranges, -1 - number)
            continue
        window = window_size(format_)
        for first, last in _loud_stretches(loud_windows(format_, audio[begin:end])):
            starts = begin + max(0, first - _EDGE_WINDOWS) * window
            stops = min(end, begin + (last + _EDGE_WINDOWS) * window)
            begins_ms = _passed_ms(sent, begin + first * window)
            yield _Words(begins_ms, _passed_ms(sent, begin + last * window - 1), ((begins_ms, starts, stops),), number)


def _sent_at_one_go(chunks: Sequence[CassetteAudio], format_: AudioFormat | None) -> Iterator[list[CassetteAudio]]:
    going: list[CassetteAudio] = []
    for chunk in chunks:
        plays_ms = (format_ and format_.milliseconds(chunk.size)) or 0
        if going and chunk.at_ms - going[-1].at_ms > plays_ms + _LONGEST_PAUSE_MS:
            yield going
            going = []
        going.append(chunk)
    if going:
        yield going


def _loud_stretches(loud: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield first window and end of each stretch without a long pause."""
    places = [place for place, is_loud in enumerate(loud) if is_loud]
    if not places:
        return
    first = last = places[0]
    for place in places[1:]:
        if place - last > _PAUSE_WINDOWS:
            yield first, last + 1
            first = place
        last = place
    yield first, last + 1


def _passed_ms(sent: Sequence[CassetteAudio], byte: int) -> int:
    return next(each.at_ms for each in sent if each.offset + each.size > byte)
