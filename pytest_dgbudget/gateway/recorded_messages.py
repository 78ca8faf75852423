"""One direction of a session, from chunks to messages, for its recording.

A text is parsed and scrubbed on the recording's thread, in calls that hold the interpreter until they return. A relay
that has something to pass, or a session to cut, is late by as much: some 10 to 30 ms with a text of ``LONGEST_TEXT``.
"""

from __future__ import annotations

from pytest_dgbudget.gateway.chunks import Chunk, Payload, PayloadReader
from pytest_dgbudget.gateway.frames import BINARY, CONTINUATION, TEXT
from pytest_dgbudget.recording.lines import Side
from pytest_dgbudget.recording.writing import RecordingWriter

# A longer text is left out: as long as what the relay reads of a client.
LONGEST_TEXT = 128 * 1024
_CONTROL = 0x8


class RecordedMessages:
    """Writes each message of one direction when it is whole. May raise what the writer raises."""

    def __init__(self, writer: RecordingWriter, side: Side) -> None:
        self._writer = writer
        self._side = side
        self._reader = PayloadReader()
        self._after_gap = False
        self._opcode: int | None = None
        self._text = bytearray()
        self._size = 0
        self._at_ms = 0
        self._unread = 0

    def passed(self, chunk: Chunk) -> None:
        """Take the next chunk."""
        self._at_ms = chunk.at_ms
        if self._after_gap:
            self._unread += min(chunk.rest, len(chunk.data))
            self._after_gap = chunk.rest > len(chunk.data)
        for payload in self._reader.read(chunk):
            if payload.opcode < _CONTROL:
                self._take(payload)

    def lost(self, size: int) -> None:
        """Take note that chunks of this many bytes are missing here. What began before them has no end."""
        self._break_off()
        self._reader = PayloadReader()
        self._after_gap = True
        self._unread += size
        self._say_what_is_unread()

    def end(self) -> None:
        """Take the end of the direction."""
        self._break_off()
        self._say_what_is_unread()

    def _take(self, payload: Payload) -> None:
        if payload.begins and payload.opcode != CONTINUATION:
            self._break_off()
            self._say_what_is_unread()
            self._opcode = payload.opcode if payload.opcode in (TEXT, BINARY) else None
        if self._opcode is None:  # the rest of what began before a gap, or no message of the protocol's
            self._unread += len(payload.data)
            return
        self._size += len(payload.data)
        if self._opcode == BINARY:
            self._writer.audio(self._side, payload.at_ms, payload.data)
        elif self._size <= LONGEST_TEXT:
            self._text += payload.data
        else:
            self._text.clear()
        if payload.ends and payload.final:
            self._finish(payload.at_ms)

    def _finish(self, at_ms: int) -> None:
        if self._opcode == BINARY:
            self._writer.audio_ended(self._side, at_ms, self._size)
        elif self._size > LONGEST_TEXT:
            self._writer.left_out(self._side, at_ms, self._size)
        else:
            self._writer.text(self._side, at_ms, bytes(self._text))
        self._forget()

    def _break_off(self) -> None:
        """A message has begun that has no end."""
        if self._opcode == BINARY:
            self._writer.audio_ended(self._side, self._at_ms, self._size, cut=True)
        elif self._opcode == TEXT:
            self._writer.left_out(self._side, self._at_ms, self._size)
        self._forget()

    def _forget(self) -> None:
        self._opcode = None
        self._text.clear()
        self._size = 0

    def _say_what_is_unread(self) -> None:
        if self._unread:
            self._writer.lost(self._side, size=self._unread)
            self._unread = 0
