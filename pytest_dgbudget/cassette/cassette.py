"""A cassette in memory: what passed both ways in one recorded session, with times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.recording.lines import Side
from pytest_dgbudget.rules.audio import AudioFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class CassetteText:
    """A text message, ``at_ms`` after the dial. ``payload`` is as in a recording's line, its ids numbered.

    ``line`` is its number in ``session.jsonl``, from 1; a KeepAlive has none. ``scrubbed``: JSON pointers of what the
    hook has replaced.
    """

    side: Side
    at_ms: int
    payload: Any
    line: int | None
    scrubbed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CassetteAudio:
    """A binary message, ``at_ms`` after the dial: ``size`` bytes from ``offset`` on in the audio of its side."""

    side: Side
    at_ms: int
    offset: int
    size: int


CassetteEvent = CassetteText | CassetteAudio


@dataclass(frozen=True, slots=True, kw_only=True)
class CassetteFacts:
    """What is known of the recorded session: when it was dialled (UTC), what it took and cost, and how it ended.

    ``micro_usd`` is what it cost live, None where that is not known. ``closed_by`` began the end.
    """

    recorded_at: datetime
    ms: int
    handshake_ms: int
    micro_usd: int | None
    tier: str | None
    closed_by: ClosedBy
    close_code: int | None
    close_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cassette:
    """``events`` are in the order in which they passed; ``audio`` has each side's bytes without a file's header.

    ``formats`` are those of these bytes: audio in a container has that as its encoding, and no samples. ``folder`` is
    where it was read, or written; of neither it is empty.
    """

    facts: CassetteFacts
    events: tuple[CassetteEvent, ...]
    audio: Mapping[Side, bytes]
    formats: Mapping[Side, AudioFormat]
    folder: Path = Path()
