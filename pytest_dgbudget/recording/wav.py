"""WAV files: their header, before and after the end of the audio is known, and what is in one."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from itertools import pairwise

from pytest_dgbudget.rules.audio import WAV_TAGS, AudioFormat

# Stands for "to the end of the file", for a file whose writer was killed, or could not go back in it.
_UNKNOWN = 0xFFFFFFFF
_FIELDS = struct.Struct("<HHIIHH")
_PCM, _EXTENSIBLE = 1, 0xFFFE
_EXTENSION_FORMAT = 24  # where the format stands in that of an extensible one
_HEADER = re.compile(rb"RIFF.{4}WAVEfmt ", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class WavFile:
    """What is in a WAV file: ``tag`` is its format (RFC 2361), ``rate`` in Hz, ``audio`` whole samples of all channels.

    ``bits`` are those of one sample of one channel, ``channels`` are interleaved.
    """

    tag: int
    channels: int
    rate: int
    bits: int
    audio: bytes


def wav_header(audio_format: AudioFormat, size: int | None = None, channels: int = 1) -> bytes | None:
    """Return the header of ``size`` bytes of audio; None for an encoding that goes into no WAV file.

    An odd size is to be followed by one byte more.
    """
    tag, width = WAV_TAGS.get(audio_format.encoding), audio_format.bytes_per_sample
    rate = audio_format.sample_rate
    if tag is None or width is None or rate * width * channels > _UNKNOWN:
        return None
    fields = _FIELDS.pack(tag, channels, rate, rate * width * channels, width * channels, 8 * width)
    # Other formats than PCM have an extension, of no bytes, and the number of samples.
    chunks = _chunk(b"fmt ", fields if tag == _PCM else fields + bytes(2))
    if tag != _PCM:
        chunks += _chunk(b"fact", struct.pack("<I", _UNKNOWN if size is None else size // (width * channels)))
    whole = _UNKNOWN if size is None else 4 + len(chunks) + 8 + size + size % 2
    data = struct.pack("<I", _UNKNOWN if size is None else size)
    return b"RIFF" + struct.pack("<I", whole) + b"WAVE" + chunks + b"data" + data


def is_wav(beginning: bytes) -> bool:
    """Return whether a file that begins with these twelve bytes says that it is a WAV file."""
    return beginning[:4] == b"RIFF" and beginning[8:12] == b"WAVE"


def read_wav(file: bytes) -> WavFile:
    """Read a WAV file of any format; raises ValueError when it is none, or is cut short before its audio."""
    if not is_wav(file):
        raise ValueError("it does not begin with a RIFF header")
    found = _find(file)
    if len(found.format) < _FIELDS.size:
        raise ValueError("it does not say what format it has")
    tag, channels, rate, _, frame, bits = _FIELDS.unpack_from(found.format)
    if tag == _EXTENSIBLE and len(found.format) >= _EXTENSION_FORMAT + 2:
        (tag,) = struct.unpack_from("<H", found.format, _EXTENSION_FORMAT)
    if not (channels and rate and bits and frame == channels * -(-bits // 8)):
        raise ValueError(f"its header says {channels} channels of {bits} bits at {rate} Hz, {frame} bytes each time")
    audio = file[found.start : found.end]
    return WavFile(tag=tag, channels=channels, rate=rate, bits=bits, audio=audio[: len(audio) // frame * frame])


def wav_audio(file: bytes) -> bytes:
    """Return the audio of a file that begins with a header; raises ValueError when it is cut short before that."""
    found = _find(file)
    return file[found.start : found.end]


def without_headers(audio: bytes) -> bytes:
    """Return audio that may begin anew with a WAV header, as each reply in ``container: wav`` does, without those."""
    begins = [0, *(found.start() for found in _HEADER.finditer(audio)), len(audio)]
    return b"".join(_after_header(audio[start:end]) for start, end in pairwise(begins))


def _after_header(audio: bytes) -> bytes:
    if not is_wav(audio):
        return audio
    try:
        return wav_audio(audio)
    except ValueError:  # no more than a part of the header has come
        return b""


@dataclass(frozen=True, slots=True)
class _Chunks:
    """The fields of a file's format, empty when there are none, and where its audio begins and ends."""

    format: bytes
    start: int
    end: int


def _find(file: bytes) -> _Chunks:
    at, format_ = 12, b""
    while file[at : at + 4] != b"data":
        if at + 8 > len(file):
            raise ValueError("there is no audio in it")
        size = int.from_bytes(file[at + 4 : at + 8], "little")
        if file[at : at + 4] == b"fmt ":
            format_ = file[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    size = int.from_bytes(file[at + 4 : at + 8], "little")
    is_known = size not in (0, _UNKNOWN)
    return _Chunks(format_, at + 8, min(len(file), at + 8 + size) if is_known else len(file))


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data
