"""WAV files that are written as audio comes: the header first, its sizes when the end is known."""

from __future__ import annotations

import struct

from pytest_dgbudget.rules.audio import AudioFormat

# Format tags (RFC 2361). What the samples of linear32 are, integers or not, the vendor's AsyncAPI file doesn't say.
_TAGS = {"linear16": 1, "alaw": 6, "mulaw": 7}
# Stands for "to the end of the file", for a file whose writer was killed.
_UNKNOWN = 0xFFFFFFFF
_FIELDS = struct.Struct("<HHIIHH")


def wav_header(audio_format: AudioFormat, size: int | None = None) -> bytes | None:
    """Return the header of ``size`` bytes of audio; None for an encoding that goes into no WAV file."""
    tag, width = _TAGS.get(audio_format.encoding), audio_format.bytes_per_sample
    rate = audio_format.sample_rate
    if tag is None or width is None or rate * width > _UNKNOWN:
        return None
    fields = _FIELDS.pack(tag, 1, rate, rate * width, width, 8 * width)
    # Other formats than PCM have an extension, of no bytes, and the number of samples.
    chunks = _chunk(b"fmt ", fields if tag == 1 else fields + bytes(2))
    if tag != 1:
        chunks += _chunk(b"fact", struct.pack("<I", _UNKNOWN if size is None else size // width))
    whole = _UNKNOWN if size is None else 4 + len(chunks) + 8 + size + size % 2
    data = struct.pack("<I", _UNKNOWN if size is None else size)
    return b"RIFF" + struct.pack("<I", whole) + b"WAVE" + chunks + b"data" + data


def wav_audio(file: bytes) -> bytes:
    """Return the audio of a file that begins with such a header; raises ValueError when it is cut short."""
    at = 12
    while file[at : at + 4] != b"data":
        if at + 8 > len(file):
            raise ValueError("no audio in a WAV file")
        at += 8 + int.from_bytes(file[at + 4 : at + 8], "little")
    size = int.from_bytes(file[at + 4 : at + 8], "little")
    return file[at + 8 :] if size == _UNKNOWN else file[at + 8 : at + 8 + size]


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data
