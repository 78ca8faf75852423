"""User audio: read a WAV, cut it into frames, send them at the pace of speech."""

from __future__ import annotations

import asyncio
import os
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.rules.audio import AudioFormat

FRAME_MS = 20

AudioSource = str | os.PathLike[str] | bytes


def read_audio(source: AudioSource, format_: AudioFormat) -> bytes:
    """Return raw audio in the session's input format: bytes as they are, a WAV file's samples if they fit.

    Raises SettingsError when the file is no WAV or is not what Settings promised the agent, OSError when it can't be
    read.
    """
    if isinstance(source, bytes):
        return source
    try:
        with wave.open(os.fspath(source), "rb") as file:
            _check(file, format_, source)
            return file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise SettingsError(f"{source} is no WAV file that can be read: {error}") from error


def _check(file: wave.Wave_read, format_: AudioFormat, source: AudioSource) -> None:
    has = (file.getnchannels(), file.getsampwidth(), file.getframerate())
    wants = (1, {"linear16": 2, "linear32": 4}.get(format_.encoding), format_.sample_rate)
    if has != wants:
        raise SettingsError(
            f"{Path(os.fsdecode(os.fspath(source))).name if not isinstance(source, bytes) else 'audio'} has "
            f"{has[0]} channel(s) of {8 * has[1]} bit at {has[2]} Hz, but the session's Settings promise "
            f"{format_.encoding}, mono, at {format_.sample_rate} Hz; change audio.input in the settings or the file"
        )


async def send_paced(
    audio: bytes, format_: AudioFormat, send: Callable[[bytes], Awaitable[None]], pace: float | None
) -> None:
    """Send audio in frames: frame n at start + n · 20 ms ÷ pace, so that nothing drifts; None for all at once.

    Raises SettingsError where bytes don't tell time.
    """
    size = _frame_bytes(format_, pace)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number, at in enumerate(range(0, len(audio), size)):
        if pace is not None:
            await asyncio.sleep(max(0.0, start + number * FRAME_MS / 1000 / pace - loop.time()))
        await send(audio[at : at + size])
    if pace is not None and audio:
        frames = -(-len(audio) // size)
        await asyncio.sleep(max(0.0, start + frames * FRAME_MS / 1000 / pace - loop.time()))


def _frame_bytes(format_: AudioFormat, pace: float | None) -> int:
    if format_.bytes_per_sample is None:
        if pace is None:
            return 4096
        raise SettingsError(f"{format_.encoding} can't be paced: its bytes don't tell time; use pace=None")
    if pace is not None and not pace > 0:
        raise SettingsError(f"pace {pace!r} is not a positive number; 1.0 is real time, None as fast as possible")
    return format_.bytes_per_sample * (format_.sample_rate * FRAME_MS // 1000)
