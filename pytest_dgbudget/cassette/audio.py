"""A cassette's audio as files: FLAC for linear16 where soundfile is installed, WAV, or the bytes as they are."""

from __future__ import annotations

import io
import sys
from array import array
from typing import Any

from pytest_dgbudget.recording.audio_file import ending
from pytest_dgbudget.recording.wav import wav_audio, wav_header
from pytest_dgbudget.rules.audio import AudioFormat

FLAC = "flac"
WAV = "wav"
_SAMPLE = 2
_GIT_LFS = b"version https://git-lfs.github.com/spec/"


def audio_file(audio: bytes, audio_format: AudioFormat) -> tuple[str, bytes]:
    """Return the ending, without a dot, and the bytes of a file of this audio."""
    flac = _flac(audio, audio_format.sample_rate) if audio_format.encoding == "linear16" else None
    if flac is not None:
        return FLAC, flac
    header = wav_header(audio_format, len(audio))
    if header is None:
        return ending(audio_format.encoding, "none"), audio
    return WAV, header + audio + bytes(len(audio) % 2)


def audio_in(file: bytes, suffix: str, audio_format: AudioFormat, size: int) -> bytes:
    """Return the audio, ``size`` bytes, of a file with this ending; raises ValueError."""
    if file.startswith(_GIT_LFS):
        raise ValueError("it stands for a file that Git LFS has: git lfs pull")
    if suffix == FLAC and audio_format.encoding == "linear16":
        return _samples(file, size)
    audio = wav_audio(file) if suffix == WAV and wav_header(audio_format) else file
    if len(audio) != size:
        raise ValueError(f"it has {len(audio)} bytes of audio, and not {size}")
    return audio


def _flac(audio: bytes, sample_rate: int) -> bytes | None:
    """Return a FLAC file; None where there is no soundfile, or FLAC has no such rate, or no half samples."""
    soundfile = _soundfile()
    if soundfile is None or len(audio) % _SAMPLE:
        return None
    file = io.BytesIO()
    try:
        with soundfile.SoundFile(file, "w", sample_rate, channels=1, format="FLAC", subtype="PCM_16") as samples:
            samples.buffer_write(_swapped(audio), dtype="int16")
    except soundfile.LibsndfileError:
        return None
    return file.getvalue()


def _samples(file: bytes, size: int) -> bytes:
    soundfile = _soundfile()
    if soundfile is None:
        raise ValueError("FLAC can't be read without soundfile: pip install 'pytest-dgbudget[audio]'")
    audio = bytearray(size)
    try:
        with soundfile.SoundFile(io.BytesIO(file)) as samples:
            frames = samples.buffer_read_into(audio, dtype="int16") if samples.channels == 1 else 0
            is_longer = samples.frames * _SAMPLE > size
    except soundfile.LibsndfileError as error:
        raise ValueError(f"it is no FLAC file: {error.error_string}") from error
    if frames * _SAMPLE != size or is_longer:
        raise ValueError(f"it has not the {size // _SAMPLE} samples, in one channel, of which its messages are")
    return _swapped(bytes(audio))


def _soundfile() -> Any:
    """Return the module, None where it, or the library that it needs, is not installed."""
    try:
        import soundfile
    except (ImportError, OSError):
        return None
    return soundfile


def _swapped(audio: bytes) -> bytes:
    """Turn little-endian samples into this machine's, or back."""
    if sys.byteorder == "little":
        return audio
    samples = array("h", audio)
    samples.byteswap()
    return samples.tobytes()
