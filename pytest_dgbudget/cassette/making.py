"""Make a cassette of the recording that a gateway made of one session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import PurePath
from typing import Any, TypeVar, get_args

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent, CassetteFacts, CassetteText
from pytest_dgbudget.cassette.numbering import numbered
from pytest_dgbudget.cassette.writing import ENCODINGS, MOST_SAMPLE_RATE, has_a_line, size_of_audio, with_audio_lines
from pytest_dgbudget.errors import CassetteError
from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.recording.audio_file import format_in
from pytest_dgbudget.recording.lines import AUDIO, AUDIO_FILES, LEFT_OUT, LOST, STOPPED, RecordedLine, Side
from pytest_dgbudget.recording.reading import RecordedSession, is_audio_file
from pytest_dgbudget.rules.audio import UNKNOWN_AUDIO, AudioFormat

_CLIENT: Side = "client_to_server"
_CLOSED_BY = get_args(ClosedBy)
T = TypeVar("T")


def cassette_of(recorded: RecordedSession) -> Cassette:
    """Return the cassette of a session whose recording is whole; raises CassetteError, which says why it is not."""
    _require_whole(recorded)
    lines = recorded.lines
    facts = _facts(lines, str(lines[-1].payload.get("close_reason", "")))
    passed = list(_events(lines, facts.recorded_at))
    events = tuple(_with_lines(list(_in_order(list(_numbered(passed))))))
    return Cassette(
        facts=facts,
        events=events,
        audio={side: _whole_audio(recorded, events, side) for side in AUDIO_FILES},
        formats={side: _format(lines, side) for side in AUDIO_FILES},
    )


def _require_whole(recorded: RecordedSession) -> None:
    of_gateway = {_type_of(line): line.payload for line in recorded.lines if line.direction == "gateway"}
    if STOPPED in of_gateway:
        raise CassetteError(f"the recording ends before its session: {of_gateway[STOPPED].get('why')}")
    if not recorded.complete:
        raise CassetteError("the recording has no end")
    if LOST in of_gateway:
        raise CassetteError("the recording has a gap: more passed than could be written in time")
    if any(line.direction != "gateway" and _type_of(line) == LEFT_OUT for line in recorded.lines):
        raise CassetteError(
            "the recording lacks a text: it has more than 128 KiB, can't be searched for secrets, or did not end"
        )
    if any(is_audio_file(line) and line.payload["direction"] not in recorded.audio for line in recorded.lines):
        raise CassetteError("the recording was made without audio")


def _facts(lines: Sequence[RecordedLine], close_reason: str) -> CassetteFacts:
    dialled = next((line for line in lines if _is_event(line, "SessionDialled")), None)
    ended = next((line for line in lines if _is_event(line, "SessionEnded")), None)
    recorded_at = None if dialled is None else read_instant(dialled.ts)
    usage = None if ended is None else ended.payload.get("usage")
    if recorded_at is None or not isinstance(usage, dict):
        raise CassetteError("the recording does not say when its session began and ended")
    match usage:
        case {"ms": int(ms), "handshake_ms": int(handshake_ms), "closed_by": closed_by} if closed_by in _CLOSED_BY:
            return CassetteFacts(
                recorded_at=recorded_at,
                ms=ms,
                handshake_ms=handshake_ms,
                micro_usd=_known(usage.get("micro_usd"), int),
                tier=_known(usage.get("tier"), str),
                closed_by=closed_by,
                close_code=_known(usage.get("close_code"), int),
                close_reason=close_reason,
            )
    raise CassetteError("the session did not open, or its seconds are not known (dg_scrub may have replaced them)")


def _known(value: Any, kind: type[T]) -> T | None:
    """Return a figure, None where it is none: dg_scrub may have replaced it."""
    return value if isinstance(value, kind) else None


def _events(lines: Sequence[RecordedLine], dialled_at: datetime) -> Iterator[CassetteEvent]:
    """Yield what passed, its ids as they were, and with no line. Time goes on, and never back."""
    at_ms = 0
    sizes: dict[Side, int] = dict.fromkeys(AUDIO_FILES, 0)
    for line in lines:
        if line.direction == "gateway":
            continue
        at_ms = max(at_ms, _ms_after(dialled_at, line))
        if _type_of(line) != AUDIO:
            yield CassetteText(side=line.direction, at_ms=at_ms, payload=line.payload, line=None)
        elif not line.payload.get("cut"):
            offset, size = sizes[line.direction], line.payload["bytes"]
            sizes[line.direction] += size
            yield CassetteAudio(side=line.direction, at_ms=at_ms, offset=offset, size=size)


def _ms_after(dialled_at: datetime, line: RecordedLine) -> int:
    moment = read_instant(line.ts)
    return 0 if moment is None else (moment - dialled_at) // timedelta(milliseconds=1)


def _numbered(events: Sequence[CassetteEvent]) -> Iterator[CassetteEvent]:
    texts = [event for event in events if isinstance(event, CassetteText)]
    payloads = iter(numbered([(text.side, text.payload) for text in texts]))
    return (replace(event, payload=next(payloads)) if isinstance(event, CassetteText) else event for event in events)


def _in_order(events: Sequence[CassetteEvent]) -> Iterator[CassetteEvent]:
    """Of what has no line and came in one millisecond, the client's comes first: whose was first, no file says."""
    number = list(accumulate(map(has_a_line, events)))
    for _, event in sorted(zip(number, events, strict=True), key=lambda each: (each[0], each[1].at_ms, _rank(each[1]))):
        yield event


def _rank(event: CassetteEvent) -> int:
    if isinstance(event, CassetteText):
        return 0 if has_a_line(event) else 1
    return 2 if event.side == _CLIENT else 3


def _with_lines(events: Sequence[CassetteEvent]) -> Iterator[CassetteEvent]:
    number = 0
    for event, begins_audio in with_audio_lines(events):
        number += begins_audio or has_a_line(event)
        yield replace(event, line=number) if isinstance(event, CassetteText) and has_a_line(event) else event


def _whole_audio(recorded: RecordedSession, events: Sequence[CassetteEvent], side: Side) -> bytes:
    """Return the audio of all messages that came to their end."""
    size = size_of_audio(events, side)
    audio = recorded.audio.get(side, b"")[:size]
    if len(audio) < size:
        raise CassetteError(f"the recording lacks {size - len(audio)} bytes of the {AUDIO_FILES[side]}'s audio")
    return audio


def _format(lines: Sequence[RecordedLine], side: Side) -> AudioFormat:
    """Return the format of a side's audio; in a container, that is its encoding."""
    begins = next((line.payload for line in lines if is_audio_file(line) and line.payload["direction"] == side), None)
    if begins is None:
        return _asked_for(lines, side)
    encoding, rate = begins.get("encoding"), begins.get("sample_rate")
    if not isinstance(rate, int) or encoding not in ENCODINGS:
        return UNKNOWN_AUDIO
    suffix = PurePath(str(begins["name"])).suffix
    found = AudioFormat(encoding, min(rate, MOST_SAMPLE_RATE))
    if suffix == ".wav" or found.bytes_per_sample is None:
        return found
    return AudioFormat(suffix[1:], found.sample_rate)


def _asked_for(lines: Sequence[RecordedLine], side: Side) -> AudioFormat:
    """Return the format of audio that never came."""
    settings = next(
        (line.payload for line in lines if _type_of(line) == "Settings" and line.direction == _CLIENT), None
    )
    audio, _ = format_in(settings, "input" if side == _CLIENT else "output")
    return audio if audio.encoding in ENCODINGS else UNKNOWN_AUDIO


def _is_event(line: RecordedLine, name: str) -> bool:
    return line.direction == "gateway" and _type_of(line) == name


def _type_of(line: RecordedLine) -> Any:
    return line.payload.get("type") if isinstance(line.payload, dict) else None
