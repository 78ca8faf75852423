"""A recording's lines: what each has, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Side = Literal["client_to_server", "server_to_client"]
Direction = Literal["client_to_server", "server_to_client", "gateway"]
DIRECTIONS: frozenset[str] = frozenset(get_args(Direction))

LINES_FILE = "session.jsonl"
AUDIO_FILES: Mapping[Side, str] = {"client_to_server": "user", "server_to_client": "agent"}

AUDIO = "(audio)"
AUDIO_FILE = "(audio file)"
NOT_JSON = "(not JSON)"
LEFT_OUT = "(left out)"
LOST = "(lost)"
STOPPED = "(stopped)"
ENDED = "(ended)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedLine:
    """One line: ``ts`` as ``instants`` writes it; ``payload`` is whatever JSON a message was, mostly an object."""

    request_id: str | None
    session_id: str
    seq: int
    ts: str
    direction: Direction
    payload: Any


def write_line(line: RecordedLine) -> bytes:
    """Return one line of JSON with its end; the order of keys is kept."""
    return (
        to_json(
            {
                "request_id": line.request_id,
                "session_id": line.session_id,
                "seq": line.seq,
                "ts": line.ts,
                "direction": line.direction,
                "payload": line.payload,
            }
        )
        + b"\n"
    )


def read_line(text: bytes) -> RecordedLine:
    """Read a line; raises ValueError when it is none."""
    fields = json.loads(text.decode())
    if not isinstance(fields, dict) or fields.get("direction") not in DIRECTIONS:
        raise ValueError("not a line of a recording")
    try:
        return RecordedLine(**fields)
    except TypeError as error:
        raise ValueError("not a line of a recording") from error


def to_json(value: Any) -> bytes:
    """Return JSON that people can read, whatever their language; halves of characters stay escaped."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def parse_json(text: str) -> Any:
    """Return what a text is as JSON; raises ValueError where it is none, or can't be written again as it is."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("too large a number")
    return number


def payload_of(text: str) -> Any:
    """Return a text message's payload as it is before it is scrubbed."""
    try:
        payload = parse_json(text)
    except ValueError:
        return {"type": NOT_JSON, "text": text}
    return {"type": NOT_JSON, "text": text} if looks_like_ours(payload) else payload


def text_of(payload: Any) -> bytes:
    """Return the text message of which ``payload_of`` makes this payload, as UTF-8."""
    if isinstance(payload, Mapping) and payload.get("type") == NOT_JSON:
        return str(payload["text"]).encode("utf-8", "replace")
    return to_json(payload)


def looks_like_ours(payload: Any) -> bool:
    """True for a message that a reader would take for one of the lines that a recording makes itself."""
    kind = payload.get("type") if isinstance(payload, dict) else None
    return isinstance(kind, str) and kind.startswith("(") and kind.endswith(")")
