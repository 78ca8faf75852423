"""A text as audio for the emulator: as loud and as long as speech, with its words inside (rules/carried_words)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.carried_words import COPIES, carry, packet, pieces_of
from pytest_dgbudget.rules.samples import SAMPLED, encode

# Fifteen characters a second, in syllables of three.
_SYLLABLES_A_SECOND = 5
_CHARACTERS = 3
# Before the first words: by then whoever listens has noticed that somebody speaks.
_LEAD_SECONDS = 0.1
# Where a sample rate is so low that a piece's packet would take longer than the piece, it takes this often that.
_LEAST_COPIES = 2

_AMPLITUDES = (5000, 7000, 9000)
_PITCHES = (105, 120, 135, 150)  # Hz
_OVERTONES = (1, 2, 3, 4, 5, 6)


def spoken(text: str, format_: AudioFormat) -> Iterator[bytes]:
    """Return a text as audio, piece by piece; raises SettingsError at once where it can't be."""
    if format_.encoding not in SAMPLED or format_.bytes_per_sample is None:
        raise SettingsError(
            f"say_aloud makes audio in {', '.join(SAMPLED)}, and the session's audio.input is {format_.encoding}: "
            "change audio.input in the settings, or send a recording in that encoding with send_audio(…, pace=None)"
        )
    if not text.strip():
        raise SettingsError(f"say_aloud has nothing to say: text is {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SettingsError(f"say_aloud can't say {text!r}, which is no valid Unicode: {error}") from error
    return _spoken(text, format_, format_.bytes_per_sample)


def _spoken(text: str, format_: AudioFormat, width: int) -> Iterator[bytes]:
    for number, piece in enumerate(pieces_of(text)):
        lead = 0 if number else math.ceil(_LEAD_SECONDS * format_.sample_rate)
        packets = [packet(number, copy, piece) for copy in range(COPIES)]
        size = len(packets[0])
        audio = bytearray(b"".join(_syllables(piece, format_, lead + _LEAST_COPIES * size)))
        room = len(audio) // width - lead
        for copy, bits in enumerate(packets[: room // size]):
            carry(bits, audio, width, lead + copy * max(size, room // COPIES))
        yield bytes(audio)


def _syllables(piece: str, format_: AudioFormat, least: int) -> Iterator[bytes]:
    """Yield a piece's syllables, of ``least`` samples at least; how they sound is made up from their letters."""
    least_syllables = math.ceil(least * _SYLLABLES_A_SECOND / format_.sample_rate)
    count = max(1, round(len(piece) / _CHARACTERS), least_syllables)
    for number in range(count):
        letters = sum(map(ord, piece[number * len(piece) // count : (number + 1) * len(piece) // count]))
        yield _syllable(format_, _PITCHES[letters % len(_PITCHES)], _AMPLITUDES[letters % len(_AMPLITUDES)])


@lru_cache(maxsize=64)
def _syllable(format_: AudioFormat, pitch: int, amplitude: int) -> bytes:
    """Return one syllable: a voice that swells and fades."""
    rate = format_.sample_rate
    length = math.ceil(rate / _SYLLABLES_A_SECOND)
    overtones = [n for n in _OVERTONES if n * pitch < rate / 2]

    def sample(n: int) -> float:
        swell = (1 - math.cos(2 * math.pi * n / length)) / 2
        turn = 2 * math.pi * pitch * n / rate
        return amplitude * swell * sum(math.sin(k * turn) / k for k in overtones)

    return encode(format_.encoding, [sample(n) for n in range(length)])
