"""Write the recording of one session. Nothing reaches the disk unscrubbed, and audio before the line that names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.recording.audio_file import AudioFile, CountedAudio, format_in
from pytest_dgbudget.recording.disk import Disk
from pytest_dgbudget.recording.lines import (
    AUDIO,
    AUDIO_FILE,
    AUDIO_FILES,
    ENDED,
    LEFT_OUT,
    LINES_FILE,
    LOST,
    STOPPED,
    Direction,
    RecordedLine,
    Side,
    parse_json,
    payload_of,
    write_line,
)
from pytest_dgbudget.recording.room import SessionRoom
from pytest_dgbudget.recording.scrubbing import Scrubber
from pytest_dgbudget.recording.tags import without_tag

# As many lines wait for the Welcome's request id.
_MOST_WITHOUT_ID = 16
_FLUSH_AT = 256 * 1024


class RecordingWriter:
    """Takes what passed of a session, in order; ``at_ms`` is on the clock on which it was dialled at ``dialled_ms``.

    ``tag`` is what the gateway adds to Settings: the recording has what the client sent. Without ``keeps_audio`` audio
    is counted alone. What is taken is written by ``flush``. Every method may raise OSError or RoomFull; after that,
    only ``stop`` and ``close`` are of use.
    """

    def __init__(
        self,
        disk: Disk,
        room: SessionRoom,
        folder: Path,
        *,
        keeps_audio: bool,
        dialled_at: datetime,
        dialled_ms: int,
        scrubber: Scrubber,
        tag: str,
    ) -> None:
        disk.make_folder(folder)
        self._disk = disk
        self._room = room
        self._folder = folder
        self._keeps_audio = keeps_audio
        self._dialled_at = dialled_at
        self._dialled_ms = dialled_ms
        self._scrubber = scrubber
        self._tag = tag
        self._file: BinaryIO = disk.create(folder / LINES_FILE)
        self._settings: Mapping[str, Any] | None = None
        self._audio: dict[Side, AudioFile | CountedAudio] = {}
        self._request_id: str | None = None
        self._without_id: list[RecordedLine] | None = []
        self._waiting = bytearray()
        self._written = 0
        self._seq = 0
        self._at_ms = dialled_ms
        self._heads: dict[Side, tuple[str, str]] = {}
        self._last_instant = (-1, "")

    def text(self, side: Side, at_ms: int, text: bytes) -> None:
        """Take a whole text message."""
        payload = payload_of(text.decode("utf-8", "replace"))
        if side == "client_to_server" and _type_of(payload) == "Settings" and self._settings is None:
            payload = without_tag(payload, self._tag)
            self._settings = payload
        payload = self._scrubber.scrub(payload, from_client=side == "client_to_server")
        self._write(side, at_ms, payload)
        if side == "server_to_client" and _type_of(payload) == "Welcome":
            self._welcomed(payload.get("request_id"))

    def audio(self, side: Side, at_ms: int, data: bytes) -> None:
        """Take a part of a binary message."""
        self._audio_file(side, at_ms).add(data)

    def audio_ended(self, side: Side, at_ms: int, size: int, *, cut: bool = False) -> None:
        """Take the end of a binary message of this size; ``cut``: it has no end."""
        offset = self._audio_file(side, at_ms).size - size
        if self._without_id is None and not cut:
            self._write_audio(side, at_ms, size, offset)
        else:
            payload = {"type": AUDIO, "bytes": size, "offset": offset}
            self._write(side, at_ms, {**payload, "cut": True} if cut else payload)

    def left_out(self, side: Side, at_ms: int, size: int) -> None:
        """Take note of a text that is not kept."""
        self._write(side, at_ms, {"type": LEFT_OUT, "bytes": size})

    def lost(self, direction: Direction, *, size: int = 0, events: int = 0) -> None:
        """Take note of a gap."""
        amount = {"events": events} if direction == "gateway" else {"bytes": size}
        self._write("gateway", self._at_ms, {"type": LOST, **amount, "direction": direction})

    def happened(self, name: str, at_ms: int, fields: Mapping[str, Any]) -> None:
        """Take an event of the session's life; ``at_ms`` counts from the dial, as in events.

        A field that JSON has no form for is written as text.
        """
        payload = parse_json(json.dumps({"type": name, **fields}, default=str))
        self._write("gateway", self._dialled_ms + at_ms, self._scrubber.scrub(payload))

    def flush(self) -> None:
        """Write what was taken, but for the first lines as long as the Welcome may still come."""
        for audio in self._audio.values():
            audio.flush()
        if self._waiting:
            waiting, self._waiting = bytes(self._waiting), bytearray()
            self._room.take_text(len(waiting))
            self._disk.append(self._file, waiting)
            self._written += len(waiting)

    def flush_all(self) -> None:
        """Write what was taken: the Welcome comes no more."""
        self._release()
        self.flush()

    def end(self, close_reason: str = "") -> None:
        """Write the end, and the sizes of audio; ``close_reason``: what the Close says."""
        scrubbed = self._scrubber.scrub({"close_reason": close_reason})
        self._write("gateway", self._at_ms, {"type": ENDED, "close_reason": scrubbed.get("close_reason", "")})
        self.flush_all()
        for audio in self._audio.values():
            audio.finish()

    def stop(self, why: str) -> None:
        """Write that the recording ends here, as far as that is possible; raises nothing."""
        line = write_line(self._next("gateway", self._at_ms, {"type": STOPPED, "why": why}))
        with suppress(OSError):
            self._disk.cut(self._file, self._written)
            self._disk.append_last(self._file, line)

    def close(self) -> None:
        """Let go of the files; raises nothing."""
        for close in (*(audio.close for audio in self._audio.values()), self._file.close):
            with suppress(OSError):
                close()

    def _audio_file(self, side: Side, at_ms: int) -> AudioFile | CountedAudio:
        found = self._audio.get(side)
        if found is None:
            audio, container = format_in(self._settings, "input" if side == "client_to_server" else "output")
            stem = self._folder / AUDIO_FILES[side]
            found = AudioFile(self._disk, self._room, stem, audio, container) if self._keeps_audio else CountedAudio()
            self._audio[side] = found
            payload = {"type": AUDIO_FILE, "direction": side, "name": found.name, "encoding": audio.encoding}
            scrubbed = self._scrubber.scrub({**payload, "sample_rate": audio.sample_rate})
            self._write("gateway", at_ms, scrubbed)
        return found

    def _write(self, direction: Direction, at_ms: int, payload: Any) -> None:
        line = self._next(direction, at_ms, payload)
        if self._without_id is None:
            self._waiting += write_line(line)
        else:
            self._without_id.append(line)
            if len(self._without_id) > _MOST_WITHOUT_ID:
                self._release()
        if len(self._waiting) > _FLUSH_AT:
            self.flush()

    def _write_audio(self, side: Side, at_ms: int, size: int, offset: int) -> None:
        """Write the line that nearly all lines are, as ``write_line`` would."""
        self._seq += 1
        self._at_ms = at_ms
        head, middle = self._heads.get(side) or self._head_of(side)
        self._waiting += (
            f'{head}{self._seq}, "ts": "{self._instant(at_ms)}"{middle}{size}, "offset": {offset}}}}}\n'.encode()
        )
        if len(self._waiting) > _FLUSH_AT:
            self.flush()

    def _head_of(self, side: Side) -> tuple[str, str]:
        """Return what every such line of one direction has before its number, and after its instant."""
        payload = {"type": AUDIO, "bytes": 0, "offset": 0}
        line = RecordedLine(
            request_id=self._request_id, session_id=self._folder.name, seq=0, ts="", direction=side, payload=payload
        )
        head, rest = write_line(line).decode().split('0, "ts": ""', 1)
        self._heads[side] = head, rest.split('0, "offset": 0', 1)[0]
        return self._heads[side]

    def _instant(self, at_ms: int) -> str:
        if self._last_instant[0] != at_ms:
            moment = self._dialled_at + timedelta(milliseconds=at_ms - self._dialled_ms)
            self._last_instant = at_ms, write_instant(moment)
        return self._last_instant[1]

    def _next(self, direction: Direction, at_ms: int, payload: Any) -> RecordedLine:
        self._seq += 1
        self._at_ms = at_ms
        return RecordedLine(
            request_id=self._request_id,
            session_id=self._folder.name,
            seq=self._seq,
            ts=self._instant(at_ms),
            direction=direction,
            payload=payload,
        )

    def _welcomed(self, request_id: Any) -> None:
        if self._request_id is None and isinstance(request_id, str):
            self._request_id = request_id
            self._heads.clear()
            self._release()

    def _release(self) -> None:
        """Write the first lines, with the request id if there is one."""
        lines, self._without_id = self._without_id or [], None
        for line in lines:
            self._waiting += write_line(replace(line, request_id=self._request_id))


def _type_of(payload: Any) -> Any:
    return payload.get("type") if isinstance(payload, dict) else None
