"""One direction's audio, in a file of its own: a WAV file where the encoding goes into one, else raw bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pytest_dgbudget.recording.disk import Disk
from pytest_dgbudget.recording.room import SessionRoom
from pytest_dgbudget.recording.wav import wav_header
from pytest_dgbudget.rules.audio import UNKNOWN_AUDIO, AudioFormat, audio_format

# By encoding, or by container; all else is "raw".
_ENDINGS = {"aac", "flac", "mp3", "ogg", "opus", "speex"}
_ENDINGS_OF = {"amr-nb": "amr", "amr-wb": "awb", "ogg-opus": "ogg"}


class AudioFile:
    """Collects audio, and writes it on ``flush``. ``size`` is how many bytes came, a header not counted."""

    def __init__(self, disk: Disk, room: SessionRoom, stem: Path, audio: AudioFormat, container: str) -> None:
        self.format = audio
        self.size = 0
        self._disk = disk
        self._room = room
        header = wav_header(audio) if container == "none" else None
        self._has_header = header is not None
        path = stem.with_suffix(".wav" if header else f".{ending(audio.encoding, container)}")
        self.name: str | None = path.name
        self._file: BinaryIO = disk.create(path)
        self._waiting = bytearray(header or b"")

    def add(self, data: bytes) -> None:
        self._waiting += data
        self.size += len(data)

    def flush(self) -> None:
        """Write what was collected; raises OSError, RoomFull."""
        if self._waiting:
            waiting, self._waiting = bytes(self._waiting), bytearray()
            self._room.take_audio(len(waiting))
            self._disk.append(self._file, waiting)

    def finish(self) -> None:
        """Write the sizes into the header, once all has been written; raises OSError."""
        header = wav_header(self.format, self.size) if self._has_header else None
        if header is not None:
            if self.size % 2:
                self._disk.append_last(self._file, b"\0")
            self._disk.replace_beginning(self._file, header)

    def close(self) -> None:
        """Let go of the file; raises OSError."""
        self._file.close()


class CountedAudio:
    """Counts audio that is not kept: ``size`` is how many bytes came. It has no file, so no ``name``."""

    def __init__(self) -> None:
        self.size = 0
        self.name: str | None = None

    def add(self, data: bytes) -> None:
        self.size += len(data)

    def flush(self) -> None:
        """Nothing was collected."""

    def finish(self) -> None:
        """There is no header."""

    def close(self) -> None:
        """There is no file."""


def format_in(settings: Mapping[str, Any] | None, direction: str) -> tuple[AudioFormat, str]:
    """Return encoding and container of ``input`` or ``output``; both are unknown without Settings."""
    if settings is None:
        return UNKNOWN_AUDIO, "none"
    audio = settings.get("audio")
    block = audio.get(direction) if isinstance(audio, Mapping) else None
    container = block.get("container") if isinstance(block, Mapping) else None
    return audio_format(settings, direction), "none" if container is None else str(container)


def ending(encoding: str, container: str) -> str:
    """Return the suffix, without its dot, of a file of audio that goes into no WAV file."""
    name = encoding if container == "none" else container
    return name if name in _ENDINGS else _ENDINGS_OF.get(name, "raw")
