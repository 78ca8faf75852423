"""Audio formats of Settings into bytes per second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Without an "audio" block the agent takes and gives this (vendor's AsyncAPI file, Settings.audio).
DEFAULT_ENCODING = "linear16"
DEFAULT_SAMPLE_RATE = 24_000

# What no audio has tells nothing of it.
_SAMPLE_RATES = range(1_000, 192_001)

# Format tags of WAV files (RFC 2361). The vendor's page "Encoding" calls linear32 floating point.
WAV_TAGS = {"linear16": 1, "linear32": 3, "alaw": 6, "mulaw": 7}

_BYTES_PER_SAMPLE = {"linear16": 2, "linear32": 4, "mulaw": 1, "alaw": 1}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One direction's encoding and sample rate (Hz)."""

    encoding: str = DEFAULT_ENCODING
    sample_rate: int = DEFAULT_SAMPLE_RATE

    @property
    def bytes_per_sample(self) -> int | None:
        """None where the number of bytes says nothing of it (compressed encodings)."""
        return _BYTES_PER_SAMPLE.get(self.encoding)

    def milliseconds(self, size: int) -> int | None:
        """How long this many bytes play; None where that can't be known."""
        if size == 0:
            return 0
        if self.bytes_per_sample is None:
            return None
        return size * 1000 // (self.bytes_per_sample * self.sample_rate)


UNKNOWN_AUDIO = AudioFormat(encoding="unknown")


def audio_format(settings: Mapping[str, Any], direction: str) -> AudioFormat:
    """Return the format of ``input`` or ``output`` that a Settings message asks for."""
    audio = settings.get("audio")
    block = audio.get(direction) if isinstance(audio, Mapping) else None
    if not isinstance(block, Mapping):
        return AudioFormat()
    encoding = block.get("encoding", DEFAULT_ENCODING)
    sample_rate = block.get("sample_rate", DEFAULT_SAMPLE_RATE)
    if not isinstance(encoding, str) or type(sample_rate) is not int or sample_rate not in _SAMPLE_RATES:
        return UNKNOWN_AUDIO
    return AudioFormat(encoding, sample_rate)
