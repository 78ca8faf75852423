"""The user's audio into the instant where the speech in it ends, as a turn's latency counts it.

Pure: audio comes in with the milliseconds at which it arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import mul
from typing import NamedTuple

from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import decode, little_endian

_WINDOW_MS = 20
# A fraction of full scale: -40 dBFS.
_LOUD = 0.01
# Loud is also so many times what the quietest tenth is.
_TIMES_QUIET = 4
_QUIETEST = 0.1

# Enough of the samples to tell how loud speech is.
_HERTZ = 6000
_FULL_SCALE = 32768
_LEAST_POWER = (_LOUD * _FULL_SCALE) ** 2

# What a window takes to read beside its samples, in samples.
_WINDOW_UNITS = 30

# Audio may come so much faster than it plays, and so far ahead of that: what was late comes in a burst.
_PACE = 1.5
_AHEAD_MS = 250
# After a pause of so long, audio is not late: it begins again.
_PAUSE_MS = 1000
# What begins is a frame of the client's. A longer one was no microphone's: there is nothing else to tell its pace by.
_LONGEST_FRAME_MS = 500


class HeardSpeech(NamedTuple):
    """What the user's audio says of a part of theirs: None where nothing in it is loud.

    ``unpaced``: it came faster than 1.5 times real time.
    """

    ended_ms: int | None
    unpaced: bool


class SpeechReader:
    """Reads the audio of one direction, chunk by chunk, in order.

    How quiet it is, all of it tells; speech and pace are those of what came after ``after_ms``.
    """

    def __init__(self, format_: AudioFormat, after_ms: int = -1) -> None:
        powers, size = _POWERS[format_.encoding], format_.bytes_per_sample
        assert size is not None
        self._after_ms = after_ms
        self._powers = powers
        self._bytes_per_ms = size * format_.sample_rate / 1000
        self._window = window_size(format_)
        self._stride = max(1, format_.sample_rate // _HERTZ)
        self._bytes_per_sample = size
        self._units = _WINDOW_UNITS + self._window // size // self._stride
        # What is not a whole window yet, and when its last sample arrived.
        self._begun = b""
        self._last_ms = 0
        # When each ended, its mean square, and when it arrived.
        self._windows: list[tuple[float, float, int]] = []
        self._pace = _Pace()

    def add(self, audio: bytes, at_ms: int) -> Iterator[int]:
        """Take in what arrived at once, its last sample at ``at_ms``, window by window; yield what each takes to read.

        A unit is what a sample takes.
        """
        plays_ms = len(audio) / self._bytes_per_ms
        if at_ms - plays_ms - self._last_ms > _WINDOW_MS:
            self._end_window()
        if at_ms > self._after_ms:
            self._pace.add(plays_ms, at_ms)
        self._last_ms = at_ms
        audio = self._begun + audio
        whole = len(audio) - len(audio) % self._window
        for start in range(0, whole, self._window):
            end = start + self._window
            power = self._powers(audio[start:end], self._stride)
            self._windows.append((at_ms - (len(audio) - end) / self._bytes_per_ms, power, at_ms))
            yield self._units
        self._begun = audio[whole:]

    def result(self) -> HeardSpeech:
        """Return where the last loud window ended, louder than -40 dBFS and than four times the quietest tenth."""
        self._end_window()
        return HeardSpeech(self._ended_ms(), self._pace.is_fast)

    def _end_window(self) -> None:
        """Look at what there is of a window: it goes on in none that came after a pause."""
        whole = len(self._begun) - len(self._begun) % self._bytes_per_sample
        if whole:
            self._windows.append((self._last_ms, self._powers(self._begun[:whole], self._stride), self._last_ms))
        self._begun = self._begun[whole:]

    def _ended_ms(self) -> int | None:
        if not self._windows:
            return None
        loud = _loud_power(power for _, power, _ in self._windows)
        for ended_ms, power, at_ms in reversed(self._windows):
            if at_ms <= self._after_ms:
                return None
            if power > loud:
                return round(ended_ms)
        return None


class _Pace:
    """How far audio was ahead of real time."""

    def __init__(self) -> None:
        self.is_fast = False
        self._ahead_ms = 0.0
        self._last_ms: int | None = None

    def add(self, plays_ms: float, at_ms: int) -> None:
        last_ms, self._last_ms = self._last_ms, at_ms
        if last_ms is None or at_ms - last_ms >= _PAUSE_MS:
            self._ahead_ms = 0.0
            self.is_fast = self.is_fast or plays_ms > _LONGEST_FRAME_MS
            return
        self._ahead_ms = max(0.0, self._ahead_ms + plays_ms - _PACE * (at_ms - last_ms))
        self.is_fast = self.is_fast or self._ahead_ms > _AHEAD_MS


def loud_windows(format_: AudioFormat, audio: bytes) -> list[bool]:
    """Return of each 20 ms of audio that can be read, and of a rest, whether it is loud.

    Audio that has speech alone is loud, too, although nothing of it is quiet.
    """
    size = format_.bytes_per_sample
    assert size is not None
    window = window_size(format_)
    power, whole = _POWERS[format_.encoding], len(audio) - len(audio) % size
    powers = [power(audio[start : min(start + window, whole)], 1) for start in range(0, whole, window)]
    loud = min(_loud_power(powers), max(_LEAST_POWER, max(powers) / _TIMES_QUIET**2)) if powers else 0.0
    return [each > loud for each in powers]


def window_size(format_: AudioFormat) -> int:
    """Return how many bytes 20 ms of audio have that can be read."""
    assert format_.bytes_per_sample is not None
    return max(1, format_.sample_rate * _WINDOW_MS // 1000) * format_.bytes_per_sample


def _loud_power(powers: Iterable[float]) -> float:
    """Return the mean square above which a window is loud among these, of which there is one at least."""
    by_power = sorted(powers)
    quiet = by_power[-(-len(by_power) // round(1 / _QUIETEST)) - 1]
    return max(_LEAST_POWER, quiet * _TIMES_QUIET**2)


def can_be_read(format_: AudioFormat) -> bool:
    """Return whether the loudness of audio in this format can be told."""
    return format_.encoding in _POWERS


def _linear(typecode: str, full_scale: float) -> Callable[[bytes, int], float]:
    unit = (_FULL_SCALE / full_scale) ** 2
    limit = _FULL_SCALE**2

    def power(window: bytes, stride: int) -> float:
        some = little_endian(typecode, window)[::stride]
        energy: float = sum(map(mul, some, some)) * unit / len(some)
        return min(limit, energy)  # floating point may be infinite, or no number

    return power


def _companded(encoding: str) -> Callable[[bytes, int], float]:
    squares = [sample * sample for sample in decode(encoding, bytes(range(256)))]

    def power(window: bytes, stride: int) -> float:
        some = window[::stride]
        return sum(map(squares.__getitem__, some)) / len(some)

    return power


# The mean square of every ``stride``-th sample of a window.
_POWERS: dict[str, Callable[[bytes, int], float]] = {
    "linear16": _linear("h", _FULL_SCALE),
    "linear32": _linear("f", 1),
    "mulaw": _companded("mulaw"),
    "alaw": _companded("alaw"),
}
