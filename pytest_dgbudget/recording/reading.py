"""Read the recording of one session back: typed lines, and audio."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_dgbudget.recording.lines import (
    AUDIO,
    AUDIO_FILE,
    AUDIO_FILES,
    ENDED,
    LINES_FILE,
    RecordedLine,
    Side,
    read_line,
)
from pytest_dgbudget.recording.wav import wav_audio


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSession:
    """One session's lines, in order, and the audio of each direction without its file's header."""

    lines: tuple[RecordedLine, ...]
    audio: Mapping[Side, bytes]

    @property
    def complete(self) -> bool:
        """False where the recording stopped before its session did; gaps are lines of their own."""
        return bool(self.lines) and _is_of_type(self.lines[-1], ENDED)

    def audio_of(self, line: RecordedLine) -> bytes:
        """Return the bytes of a binary message; fewer than it had where they never reached the disk."""
        if line.direction == "gateway" or not _is_of_type(line, AUDIO):
            raise ValueError("not a binary message")
        begin = line.payload["offset"]
        return self.audio.get(line.direction, b"")[begin : begin + line.payload["bytes"]]


def read_recording(folder: Path) -> RecordedSession:
    """Read a session's folder, up to the last whole line; raises OSError where there is none."""
    lines = tuple(_whole_lines((folder / LINES_FILE).read_bytes()))
    named = (line.payload for line in lines if is_audio_file(line) and line.payload["name"] is not None)
    return RecordedSession(lines=lines, audio={found["direction"]: _read_audio(folder, found) for found in named})


def sessions_in(folder: Path) -> list[Path]:
    """Return the folders of sessions of which there is something, in the order of their dials, as their ids are."""
    try:
        return sorted(each for each in folder.iterdir() if (each / LINES_FILE).exists())
    except OSError:
        return []


def lines_in(path: Path) -> Iterator[RecordedLine]:
    """Yield a file's lines one by one, up to the last whole one; raises OSError where there is no such file."""
    with path.open("rb") as file:
        yield from _whole(file)


def _whole_lines(data: bytes) -> Iterator[RecordedLine]:
    return _whole(io.BytesIO(data))


def _whole(texts: Iterable[bytes]) -> Iterator[RecordedLine]:
    with suppress(ValueError):
        for text in texts:
            if not text.endswith(b"\n"):
                return
            yield read_line(text)


def is_audio_file(line: RecordedLine) -> bool:
    """True for the line with which a direction's audio begins; its ``name`` is null where no file has it."""
    return line.direction == "gateway" and _is_of_type(line, AUDIO_FILE)


def _read_audio(folder: Path, found: Mapping[str, Any]) -> bytes:
    """Read a file that a recording names; by its ending alone, for a recording may come from elsewhere."""
    path = (folder / AUDIO_FILES[found["direction"]]).with_suffix(Path(found["name"]).suffix)
    data = path.read_bytes()
    try:
        return wav_audio(data) if path.suffix == ".wav" else data
    except ValueError:
        return b""


def _is_of_type(line: RecordedLine, kind: str) -> bool:
    return isinstance(line.payload, dict) and line.payload.get("type") == kind
