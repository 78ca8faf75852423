"""Sessions that are recorded without a gateway: what passes is given in chunks, as the relay would."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.frames import BINARY, CONTINUATION, TEXT, FrameReader, frame
from pytest_dgbudget.gateway.recording import Recordings, SessionRecording
from pytest_dgbudget.recording.disk import Disk
from pytest_dgbudget.recording.lines import Side
from pytest_dgbudget.recording.reading import RecordedSession, read_recording
from pytest_dgbudget.recording.room import RunRoom

CLIENT: Side = "client_to_server"
VENDOR: Side = "server_to_client"
ATTEMPT = "a77e"
SESSION = "5e5510"
TAG = "dgbudget-run"
DIALLED_AT = datetime(2026, 11, 30, 23, 59, 59, 900_000, tzinfo=timezone.utc)
DIALLED_MS = 1000


def message(opcode: int, payload: bytes, *, mask: bool, cuts: Sequence[int] = ()) -> bytes:
    """Return the frames of one message, in as many fragments as it is cut into."""
    places = sorted({0, len(payload), *(cut % (len(payload) + 1) for cut in cuts)})
    parts = [payload[begin:end] for begin, end in pairwise(places)] or [b""]
    return b"".join(
        frame(opcode if number == 0 else CONTINUATION, part, mask=mask, final=number == len(parts) - 1)
        for number, part in enumerate(parts)
    )


def wire(side: Side, *payloads: Any) -> bytes:
    """Return messages as frames: bytes as audio, all else as JSON."""
    return b"".join(
        message(BINARY, each, mask=side == CLIENT)
        if isinstance(each, bytes)
        else message(TEXT, json.dumps(each).encode(), mask=side == CLIENT)
        for each in payloads
    )


class Direction:
    """One direction of a connection: what its reader passes on, in chunks."""

    def __init__(self) -> None:
        self._reader = FrameReader(lambda text: None, holding=False)

    def chunk(self, at_ms: int, data: bytes) -> Chunk | None:
        rest = self._reader.remaining
        passed = self._reader.feed(data)
        return Chunk(at_ms, passed, rest) if passed else None

    def chunks(self, wire: bytes, size: int) -> list[Chunk]:
        pieces = (wire[at : at + size] for at in range(0, len(wire), size))
        return [chunk for piece in pieces if (chunk := self.chunk(DIALLED_MS, piece)) is not None]


class Recorder:
    """Recordings in a folder, and how to end them."""

    def __init__(
        self,
        folder: Path,
        *,
        disk: Disk | None = None,
        room: RunRoom | None = None,
        keeps_audio: bool = True,
        passing: bool = False,
        patterns: Sequence[re.Pattern[str]] = (),
        hook: Callable[[str], str] | None = None,
    ) -> None:
        self.folder = folder
        self.recordings = Recordings(
            folder,
            tag=TAG,
            patterns=patterns,
            hook=hook,
            disk=disk,
            room=room,
            keeps_audio=keeps_audio,
            passing=passing,
        )

    def begin(self, session: str = SESSION, secrets: Iterable[str] = (), *, attempt: str = ATTEMPT) -> SessionRecording:
        return self.recordings.begin(attempt, session, DIALLED_AT, DIALLED_MS, secrets)

    def close(self, within_seconds: float = 30) -> None:
        asyncio.run(self.recordings.close(within_seconds))

    def folder_of(self, session: str = SESSION) -> Path:
        return self.folder / ATTEMPT / session

    def read(self, session: str = SESSION) -> RecordedSession:
        return read_recording(self.folder_of(session))
