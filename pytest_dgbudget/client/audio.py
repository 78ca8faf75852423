"""User audio: read a WAV, cut it into frames, send them at the pace of speech."""

from __future__ import annotations

import itertools
import os
import wave
from asyncio.tasks import sleep as real_sleep
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from pytest_dgbudget.control import real_time
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.rules.audio import AudioFormat

FRAME_MS = 20

AudioSource = str | os.PathLike[str] | bytes
Speed = float | None | Literal["of the target"]
# What is no sound, in the encodings of which that can be said.
_SILENCE = {"linear16": b"\0\0", "linear32": b"\0\0\0\0", "mulaw": b"\xff", "alaw": b"\xd5"}


def read_audio(source: AudioSource, format_: AudioFormat) -> bytes:
    """Return raw audio in the session's input format: bytes as they are, a WAV file's samples if they fit.

    Raises SettingsError when the file is not a WAV file or not what Settings promise the agent, OSError when it can't
    be read.
    """
    if isinstance(source, bytes):
        return source
    try:
        with wave.open(os.fspath(source), "rb") as file:
            _check(file, format_, source)
            return file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise SettingsError(f"{source} can't be read as a WAV file: {error}") from error


def _check(file: wave.Wave_read, format_: AudioFormat, source: AudioSource) -> None:
    has = (file.getnchannels(), file.getsampwidth(), file.getframerate())
    wants = (1, {"linear16": 2, "linear32": 4}.get(format_.encoding), format_.sample_rate)
    if has != wants:
        raise SettingsError(
            f"{Path(os.fsdecode(os.fspath(source))).name if not isinstance(source, bytes) else 'audio'} has "
            f"{has[0]} channel(s) of {8 * has[1]} bit at {has[2]} Hz, but the session's Settings promise "
            f"{format_.encoding}, mono, at {format_.sample_rate} Hz; change audio.input in the settings or the file"
        )


def silence(format_: AudioFormat, seconds: float) -> bytes:
    """Return so much silence; nothing in a compressed encoding."""
    return _SILENCE.get(format_.encoding, b"") * round(format_.sample_rate * seconds)


async def send_paced(
    audio: bytes,
    format_: AudioFormat,
    send: Callable[[bytes], Awaitable[None]],
    pace: float | None,
    *,
    now: Callable[[], float] = real_time.seconds,
    sleep: Callable[[float], Awaitable[None]] = real_sleep,
) -> None:
    """Send audio in frames: frame n at start + n · 20 ms ÷ pace, so that nothing drifts; None for all at once.

    Returns when the last frame has been played. Raises SettingsError for compressed encodings.
    """
    frames = _frames(audio, format_, pace)
    start = now()
    for number, frame in enumerate([*frames, b""]):
        if pace is not None:
            await sleep(max(0.0, start + number * FRAME_MS / 1000 / pace - now()))
        if frame:
            await send(frame)


def _frames(audio: bytes, format_: AudioFormat, pace: float | None) -> list[bytes]:
    """Cut audio every 20 ms, at the nearest whole sample; what can't be timed, into pieces of 4 KiB."""
    if pace is not None and not pace > 0:
        raise SettingsError(f"pace {pace!r} is not a positive number; 1.0 is real time, None as fast as possible")
    if format_.bytes_per_sample is None:
        if pace is not None:
            raise SettingsError(f"{format_.encoding} can't be paced: its bytes have no fixed duration; use pace=None")
        return [audio[at : at + 4096] for at in range(0, len(audio), 4096)]
    frames = -(-len(audio) * 1000 // (format_.bytes_per_sample * format_.sample_rate * FRAME_MS))
    ends = [format_.bytes_per_sample * (n * format_.sample_rate * FRAME_MS // 1000) for n in range(frames)]
    return [audio[start:end] for start, end in itertools.pairwise([*ends, len(audio)])]
