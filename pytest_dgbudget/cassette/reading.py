"""A cassette out of the bytes of its files, which somebody may have edited: what is wrong is said with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pytest_dgbudget.cassette.audio import audio_in
from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent, CassetteFacts, CassetteText
from pytest_dgbudget.cassette.numbering import LATENCY, MOST_LATENCY, latency_fields
from pytest_dgbudget.cassette.runs import MOST_MS, Unlisted, messages_in
from pytest_dgbudget.cassette.writing import (
    AUDIO_LINE,
    DEEPEST,
    KEEP_ALIVE,
    MOST_SAMPLE_RATE,
    RECORDING_FILE,
    SCHEMA,
    SIDES,
    depth_of,
    size_of_audio,
    with_audio_lines,
)
from pytest_dgbudget.errors import CassetteError
from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.recording.lines import AUDIO_FILES, LINES_FILE, NOT_JSON, Side, parse_json
from pytest_dgbudget.recording.room import MOST_AUDIO
from pytest_dgbudget.rules.audio import AudioFormat

_MOST_USD = 1_000_000
_ENDING = re.compile(r"[a-z0-9]{1,8}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of ``session.jsonl``; ``side`` is None where audio begins."""

    side: Side | None
    payload: Any = None
    scrubbed: tuple[str, ...] = ()


def facts_in(folder: Path, read: Callable[[str], bytes]) -> CassetteFacts:
    """Return what a cassette says of its session; raises CassetteError."""
    with _named(folder / RECORDING_FILE):
        return _facts(_recording(read(RECORDING_FILE)))


def cassette_in(folder: Path, read: Callable[[str], bytes]) -> Cassette:
    """Return what a folder's files hold, of which ``read`` returns one by its name; raises CassetteError."""
    with _named(folder / RECORDING_FILE):
        fields = _recording(read(RECORDING_FILE))
        facts = _facts(fields)
        audio = {side: _object(fields, AUDIO_FILES[side]) for side in AUDIO_FILES}
        formats = {side: _format(audio[side]) for side in AUDIO_FILES}
    lines = [_line(folder / LINES_FILE, number, text) for number, text in enumerate(_texts(read(LINES_FILE)), 1)]
    with _named(folder / RECORDING_FILE):
        events = _events(lines, fields, {side: list(messages_in(audio[side].get("messages"))) for side in AUDIO_FILES})
        sizes = {side: _size_of_audio(events, side) for side in AUDIO_FILES}
    return Cassette(
        folder=folder,
        facts=facts,
        events=events,
        audio={side: _audio(folder, side, audio[side], formats[side], sizes[side], read) for side in AUDIO_FILES},
        formats=formats,
    )


@contextmanager
def _named(path: Path, line: int | None = None) -> Iterator[None]:
    """Say in which file, and line, something is wrong."""
    try:
        yield
    except ValueError as error:
        where = f"{path}" if line is None else f"{path}, line {line}"
        raise CassetteError(f"{where}: {error}") from error


def _texts(data: bytes) -> list[bytes]:
    return data.removesuffix(b"\n").split(b"\n") if data else []


def _line(path: Path, number: int, text: bytes) -> _Line:
    with _named(path, number):
        match fields := _parsed(text):
            case {"from": "server", "audio": True} if fields == AUDIO_LINE:
                return _Line(None)
            case {"from": ("client" | "server") as who, "message": message, **rest} if rest.keys() <= {"scrubbed"}:
                _require_text(message)
                return _Line(SIDES[who], message, _pointers(rest.get("scrubbed", [])))
        raise ValueError('no line of a cassette, which is {"from": "client" or "server", "message": …}')


def _require_text(message: Any) -> None:
    """Raise ValueError where a message that is no JSON has no text that can be sent in its place."""
    if isinstance(message, dict) and message.get("type") == NOT_JSON and not _can_be_sent(message.get("text")):
        raise ValueError(f'a message of the type "{NOT_JSON}" has no "text" that can be sent')


def _can_be_sent(text: Any) -> bool:
    """Return whether it is a text without halves of characters."""
    return isinstance(text, str) and text.encode(errors="replace").decode() == text


def _pointers(pointers: Any) -> tuple[str, ...]:
    if not isinstance(pointers, list) or not all(isinstance(each, str) and each[:1] in ("", "/") for each in pointers):
        raise ValueError('"scrubbed" is no list of JSON pointers')
    return tuple(pointers)


def _parsed(text: bytes) -> Any:
    value = parse_json(text.decode())
    if depth_of(value) > DEEPEST:
        raise ValueError("nested too deeply")
    return value


def _recording(text: bytes) -> Mapping[str, Any]:
    fields = _parsed(text)
    if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
        raise ValueError(f'its "schema" is not {SCHEMA}: it is no cassette, or of another version')
    return fields


def _facts(fields: Mapping[str, Any]) -> CassetteFacts:
    recorded_at = read_instant(_text(fields, "recorded_at"))
    if recorded_at is None:
        raise _wrong(fields, "recorded_at", "an instant such as 2026-12-01T12:00:00.000Z")
    code, usd = fields.get("close_code"), fields.get("cost_usd")
    closed_by: ClosedBy | None = next((each for each in get_args(ClosedBy) if each == fields.get("closed_by")), None)
    if closed_by is None:
        raise _wrong(fields, "closed_by", f"one of {', '.join(get_args(ClosedBy))}")
    if not _can_be_sent(fields.get("close_reason")):
        raise _wrong(fields, "close_reason", "a text that can be sent")
    if code is not None and (type(code) is not int or code not in range(1 << 16)):
        raise _wrong(fields, "close_code", "a close code or null")
    return CassetteFacts(
        recorded_at=recorded_at,
        ms=_ms(fields, "seconds"),
        handshake_ms=_ms(fields, "handshake_seconds"),
        micro_usd=None if usd is None else round(_number(fields, "cost_usd", _MOST_USD) * 1_000_000),
        tier=None if fields.get("tier") is None else _text(fields, "tier"),
        closed_by=closed_by,
        close_code=code,
        close_reason=_text(fields, "close_reason"),
    )


def _format(audio: Mapping[str, Any]) -> AudioFormat:
    rate = audio.get("sample_rate")
    if type(rate) is not int or rate not in range(1, MOST_SAMPLE_RATE + 1):
        raise _wrong(audio, "sample_rate", f"a number of Hz up to {MOST_SAMPLE_RATE}")
    return AudioFormat(_text(audio, "encoding"), rate)


def _events(
    lines: Sequence[_Line], fields: Mapping[str, Any], audio: Mapping[Side, Sequence[Unlisted]]
) -> tuple[CassetteEvent, ...]:
    """Return all that passed, in order; the order in which events of one stretch between lines came is their time's."""
    behind: list[list[CassetteEvent]] = [[] for _ in range(len(lines) + 1)]
    for each in messages_in(fields.get("keep_alives")):
        alive = CassetteText(side="client_to_server", at_ms=each.at_ms, payload=dict(KEEP_ALIVE), line=None)
        _behind(behind, each.line).append(alive)
    for side, messages in audio.items():
        offset = 0
        for each in messages:
            event = CassetteAudio(side=side, at_ms=each.at_ms, offset=offset, size=each.size)
            _behind(behind, each.line).append(event)
            offset += each.size
    events = [*_in_order(behind[0])]
    for number, (line, at_ms) in enumerate(zip(lines, _instants(fields, len(lines)), strict=True), 1):
        if line.side is not None:
            payload = _with_latencies(line.payload, fields, number)
            events.append(
                CassetteText(side=line.side, at_ms=at_ms, payload=payload, line=number, scrubbed=line.scrubbed)
            )
        events += _in_order(behind[number])
    _check(events, lines, behind)
    return tuple(events)


def _behind(behind: list[list[CassetteEvent]], line: int) -> list[CassetteEvent]:
    if line >= len(behind):
        raise ValueError(f"something comes behind line {line} of {LINES_FILE}, which has {len(behind) - 1}")
    return behind[line]


def _in_order(events: list[CassetteEvent]) -> list[CassetteEvent]:
    return sorted(events, key=lambda event: event.at_ms)


def _instants(fields: Mapping[str, Any], lines: int) -> Sequence[int]:
    instants = fields.get("lines")
    if not isinstance(instants, list) or not all(type(each) is int and 0 <= each <= MOST_MS for each in instants):
        raise ValueError('"lines" is no list of milliseconds')
    if len(instants) != lines:
        raise ValueError(f"it has the instants of {len(instants)} lines, and {LINES_FILE} has {lines}")
    return instants


def _with_latencies(message: Any, fields: Mapping[str, Any], line: int) -> Any:
    """Put the latencies of a line's message in their places."""
    missing = [name for name in latency_fields(message) if message[name] == LATENCY]
    if not missing:
        return message
    latencies = _object(_object(fields, "latencies"), str(line))
    return {**message, **{name: _number(latencies, name, MOST_LATENCY) for name in missing}}


def _check(events: Sequence[CassetteEvent], lines: Sequence[_Line], behind: Sequence[Sequence[CassetteEvent]]) -> None:
    """Raise ValueError where time goes backwards, or the lines of the agent's audio are not where it begins."""
    at_ms = 0
    for event in events:
        if event.at_ms < at_ms:
            raise ValueError(f"what comes {event.at_ms} ms after the dial stands behind what comes after {at_ms} ms")
        at_ms = event.at_ms
    begins = {id(event) for event, begins_audio in with_audio_lines(events) if begins_audio}
    of_audio = [event for line, after in zip(lines, behind[1:], strict=True) if line.side is None for event in after]
    if sum(line.side is None for line in lines) != len(begins) or begins - set(map(id, of_audio)):
        raise ValueError(f"its audio does not begin where {LINES_FILE} has audio")


def _audio(
    folder: Path,
    side: Side,
    audio: Mapping[str, Any],
    audio_format: AudioFormat,
    size: int,
    read: Callable[[str], bytes],
) -> bytes:
    name = audio.get("file")
    if name is None and size == 0:
        return b""
    stem, _, suffix = name.partition(".") if isinstance(name, str) else ("", "", "")
    with _named(folder / RECORDING_FILE):
        if stem != AUDIO_FILES[side] or not _ENDING.fullmatch(suffix):
            raise _wrong(audio, "file", f"the name of a file, {AUDIO_FILES[side]} with an ending")
    with _named(folder / f"{stem}.{suffix}"):
        return audio_in(read(f"{stem}.{suffix}"), suffix, audio_format, size)


def _size_of_audio(events: Sequence[CassetteEvent], side: Side) -> int:
    size = size_of_audio(events, side)
    if size > MOST_AUDIO:
        raise ValueError(f"the {AUDIO_FILES[side]}'s messages have more than {MOST_AUDIO} bytes")
    return size


def _object(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = fields.get(key)
    if not isinstance(found, dict):
        raise _wrong(fields, key, "an object")
    return found


def _text(fields: Mapping[str, Any], key: str) -> str:
    found = fields.get(key)
    if not isinstance(found, str):
        raise _wrong(fields, key, "a text")
    return found


def _number(fields: Mapping[str, Any], key: str, most: float) -> float:
    found = fields.get(key)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found <= most:
        raise _wrong(fields, key, f"a number from 0 to {most}")
    return found


def _ms(fields: Mapping[str, Any], key: str) -> int:
    return round(_number(fields, key, MOST_MS / 1000) * 1000)


def _wrong(fields: Mapping[str, Any], key: str, expected: str) -> ValueError:
    return ValueError(f'"{key}" is not {expected}' if key in fields else f'"{key}" is missing')
