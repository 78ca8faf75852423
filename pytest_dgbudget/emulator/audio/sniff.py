"""Audio that can't be what Settings declare: a file where raw samples were declared. Pure.

The purpose of USER_AUDIO_FORMAT is documented, how the vendor detects the case is not; the emulator looks only at the
first bytes. A WAV header of the declared format is accepted.
"""

from __future__ import annotations

import struct

from pytest_dgbudget.rules.audio import WAV_TAGS, AudioFormat

_MAGIC = {b"OggS": "Ogg", b"fLaC": "FLAC", b"ID3": "MP3", b"\x1a\x45\xdf\xa3": "WebM or Matroska", b"FORM": "AIFF"}


def mismatch(declared: AudioFormat, first: bytes) -> str | None:
    """Return what the first audio message is instead of the declared format; None if it is, or may be, as declared."""
    if declared.bytes_per_sample is None:
        return None
    if first[:4] == b"RIFF" and first[8:16] == b"WAVEfmt " and len(first) >= 36:
        return _wav_mismatch(declared, first)
    return next((f"a {name} file" for magic, name in _MAGIC.items() if first.startswith(magic)), None)


def _wav_mismatch(declared: AudioFormat, first: bytes) -> str | None:
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", first[20:36])
    expected = (WAV_TAGS[declared.encoding], 1, declared.sample_rate, (declared.bytes_per_sample or 1) * 8)
    if (tag, channels, rate, bits) == expected:
        return None
    return f"a WAV file of format {tag}, {channels} channels, {rate} Hz, {bits} bits"
