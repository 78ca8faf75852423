"""One recorded session, but for what was said: who it was with, when, how long, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.recording.audio_file import format_in
from pytest_dgbudget.recording.lines import AUDIO_FILES, ENDED, STOPPED, RecordedLine, Side
from pytest_dgbudget.rules.audio import UNKNOWN_AUDIO, AudioFormat

DIRECTIONS: Mapping[Side, str] = {"client_to_server": "input", "server_to_client": "output"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAudio:
    """One direction's format, and the container that it came in: ``none``, ``wav`` (with headers) or others."""

    format: AudioFormat = UNKNOWN_AUDIO
    container: str = "none"

    @property
    def is_sampled(self) -> bool:
        """True where its bytes are samples, so that their number says how long they play."""
        return self.container in ("none", "wav") and self.format.bytes_per_sample is not None

    def milliseconds(self, size: int) -> int | None:
        """How long so many bytes play; None where that can't be known."""
        return self.format.milliseconds(size) if self.is_sampled else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """``opened_at`` is the dial (UTC), from which all times count. ``usage`` is that of the session's end, or None.

    ``cut_short`` is why its recording ends before it; ``audio`` has the directions that Settings tell of.
    """

    session_id: str
    request_id: str | None
    opened_at: datetime
    usage: Mapping[str, Any] | None
    close_reason: str
    ended: bool
    cut_short: str | None
    audio: Mapping[Side, SessionAudio]

    def at_ms(self, line: RecordedLine) -> int:
        """Return when a line was, in milliseconds after the dial."""
        moment = read_instant(line.ts)
        return 0 if moment is None else round((moment - self.opened_at).total_seconds() * 1000)


def summary_of(lines: Iterable[RecordedLine]) -> SessionSummary | None:
    """Return what a session's lines say of it; None where there is not even a first one."""
    first = last = settings = usage = None
    request_id = None
    for line in lines:
        first, last = first or line, line
        request_id = request_id or line.request_id
        kind = type_of(line)
        if kind == "Settings" and line.direction == "client_to_server":
            settings = settings or line.payload
        elif kind == "SessionEnded" and line.direction == "gateway":
            usage = line.payload.get("usage")
    opened_at = None if first is None else read_instant(first.ts)
    if first is None or last is None or opened_at is None:
        return None
    ended = last.direction == "gateway" and type_of(last) == ENDED
    stopped = last.direction == "gateway" and type_of(last) == STOPPED
    return SessionSummary(
        session_id=first.session_id,
        request_id=request_id or (usage or {}).get("request_id"),
        opened_at=opened_at,
        usage=usage,
        close_reason=str(last.payload.get("close_reason", "")) if ended else "",
        ended=ended,
        cut_short=str(last.payload.get("why")) if stopped else None,
        audio={side: _audio(settings, side) for side in AUDIO_FILES},
    )


def type_of(line: RecordedLine) -> str | None:
    """Return the type of a line's message; None where it has none."""
    kind = line.payload.get("type") if isinstance(line.payload, dict) else None
    return kind if isinstance(kind, str) else None


def _audio(settings: Mapping[str, Any] | None, side: Side) -> SessionAudio:
    audio, container = format_in(settings, DIRECTIONS[side])
    return SessionAudio(format=audio, container=container)
