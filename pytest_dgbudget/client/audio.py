"""User audio: where it is read from, and its way in frames at the pace of speech."""

from __future__ import annotations

import os
from asyncio.tasks import sleep as real_sleep
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

from pytest_dgbudget.client.wav_input import wav_input
from pytest_dgbudget.control import real_time
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.recording.wav import is_wav
from pytest_dgbudget.rules.audio import AudioFormat

FRAME_MS = 20
_FRAME_SECONDS = FRAME_MS / 1000
# What a source may be late with and be caught up with, instead of a pause.
_LATE_SECONDS = 0.1
_PIECE_BYTES = 4096  # where bytes have no fixed duration

AudioSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Iterable[bytes]
AsyncAudioSource = AudioSource | AsyncIterable[bytes]
Speed = float | None | Literal["of the target"]

_ACCEPTED = "the path of a WAV file, an open binary file, bytes, or an iterable of bytes"


def audio_pieces(source: AudioSource, format_: AudioFormat, *, may_resample: bool) -> Iterable[bytes]:
    """Return audio in a session's input format: of a file or bytes at once, of what is iterated as it comes.

    What begins with a WAV header is converted as ``wav_input`` does; all else is raw. Raises SettingsError, and OSError
    for a file that can't be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        audio = bytes(source)
        return [wav_input(audio, None, format_, may_resample=may_resample) if is_wav(audio) else audio]
    if isinstance(source, (str, os.PathLike)):
        file = Path(source).read_bytes()
        return [wav_input(file, os.fspath(source), format_, may_resample=may_resample)]
    if hasattr(source, "read"):
        return _of_file(cast(BinaryIO, source), format_, may_resample=may_resample)
    if isinstance(source, AsyncIterable):
        raise SettingsError("an async iterable of audio needs an async test: only there it can be advanced")
    if not isinstance(source, Iterable):
        raise SettingsError(f"audio can't be read from {type(source).__name__}; accepted: {_ACCEPTED}")
    return map(audio_piece, source)


def audio_piece(piece: object) -> bytes:
    """Return a piece that came of an iterable; raises SettingsError if that is not bytes."""
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise SettingsError(f"audio came as {type(piece).__name__}, not bytes; accepted: {_ACCEPTED}")


def _of_file(file: BinaryIO, format_: AudioFormat, *, may_resample: bool) -> Iterator[bytes]:
    """Read from where the file stands: a WAV file as a whole, raw audio frame by frame, as from a pipe."""
    beginning = audio_piece(file.read(12))
    if is_wav(beginning):
        path = getattr(file, "name", None)
        known = path if isinstance(path, str) else None
        yield wav_input(beginning + file.read(), known, format_, may_resample=may_resample)
        return
    yield beginning
    width = format_.bytes_per_sample
    size = _PIECE_BYTES if width is None else max(1, format_.sample_rate * FRAME_MS // 1000) * width
    while piece := file.read(size):
        yield piece


class PacedAudio:
    """Sends audio as it comes, in frames of 20 ms at the nearest whole sample: frame n at start + n · 20 ms ÷ pace.

    So nothing drifts, and what the connection was late with is caught up with; a source that was late makes a pause.
    ``pace`` None sends at once. What can't be timed goes as it comes, in pieces of up to 4 KiB.
    """

    def __init__(
        self,
        format_: AudioFormat,
        send: Callable[[bytes], Awaitable[None]],
        pace: float | None,
        *,
        now: Callable[[], float] = real_time.seconds,
        sleep: Callable[[float], Awaitable[None]] = real_sleep,
    ) -> None:
        """Raise SettingsError for a bad pace, and for any where bytes have no fixed duration."""
        if pace is not None and not pace > 0:
            raise SettingsError(f"pace {pace!r} is not a positive number; 1.0 is real time, None as fast as possible")
        if pace is not None and format_.bytes_per_sample is None:
            raise SettingsError(f"{format_.encoding} can't be paced: its bytes have no fixed duration; use pace=None")
        self._format = format_
        self._send = send
        self._pace = pace
        self._now = now
        self._sleep = sleep
        self._waiting = bytearray()  # what is no whole frame yet
        self._frames = 0
        self._start: float | None = None
        self._asked_at = 0.0  # when the source was asked for more

    async def add(self, audio: bytes) -> None:
        """Send what comes next; return when its last whole frame has been sent."""
        if self._start is not None:
            late = self._now() - max(self._asked_at, self._due(self._start))
            self._start += late if late > _LATE_SECONDS else 0.0
        self._waiting += audio
        size = self._next_size()
        while self._waiting and size <= len(self._waiting):
            frame = bytes(self._waiting[:size])
            del self._waiting[:size]
            await self._send_frame(frame)
            size = self._next_size()
        self._asked_at = self._now()

    async def end(self) -> None:
        """Send the rest, and return when all has been played."""
        if self._waiting:
            await self._send_frame(bytes(self._waiting))
            self._waiting.clear()
        await self._wait()

    async def _send_frame(self, frame: bytes) -> None:
        await self._wait()
        self._frames += 1
        await self._send(frame)

    async def _wait(self) -> None:
        """Wait for the instant of the next frame; the first one goes at once."""
        if self._start is None:
            self._start = self._now()
        elif self._pace is not None:
            await self._sleep(max(0.0, self._due(self._start) - self._now()))

    def _due(self, start: float) -> float:
        return start + self._frames * _FRAME_SECONDS / (self._pace or 1.0)

    def _next_size(self) -> int:
        width, rate = self._format.bytes_per_sample, self._format.sample_rate
        if width is None:
            return min(_PIECE_BYTES, len(self._waiting))
        begins, ends = (number * rate * FRAME_MS // 1000 for number in (self._frames, self._frames + 1))
        return (ends - begins) * width
