"""The agent's audio as a file that players open."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.recording.audio_file import ending
from pytest_dgbudget.recording.wav import wav_header, without_headers
from pytest_dgbudget.rules.audio import AudioFormat


def save_audio(path: str | os.PathLike[str], audio: bytes, format_: AudioFormat, container: str = "none") -> Path:
    """Write audio that came in this format and ``container`` (of Settings' audio.output), and return where.

    linear16, linear32, mulaw and alaw become a WAV file; everything else is written as it came. Raises SettingsError
    when the path doesn't end as such a file does, OSError when it can't be written.
    """
    file, raw = Path(path), without_headers(audio) if container == "wav" else audio
    header = wav_header(format_, len(raw)) if container in ("none", "wav") else None
    suffix = ".wav" if header is not None else f".{ending(format_.encoding, container)}"
    if file.suffix.lower() != suffix:
        what = format_.encoding if container == "none" else f"{format_.encoding} in {container}"
        raise SettingsError(f"{file.name} should end in {suffix}: the agent's audio is {what}; use {file.stem}{suffix}")
    file.write_bytes(audio if header is None else header + raw + b"\0" * (len(raw) % 2))
    return file
