"""A session as it was heard: the user on the left, the agent on the right, each at the time at which it sounded.

The user's audio sounds from its arrival on, each piece after the one before. The agent's comes faster than it is
spoken: it is played the same way, and what is still to be heard when the user starts to speak is dropped, as a client
does that clears its playback. After the last line the agent's is played to its end.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import BinaryIO, cast

from pytest_dgbudget.recording.lines import AUDIO, RecordedLine, Side
from pytest_dgbudget.recording.wav import wav_header, without_headers
from pytest_dgbudget.report.playback import Heard, Playback, in_long_parts
from pytest_dgbudget.report.session_summary import SessionSummary, type_of
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import clipped, decode

LEFT: Side = "client_to_server"
RIGHT: Side = "server_to_client"
_CHANNELS = 2
_BYTES_PER_FRAME = 2 * _CHANNELS

Lines = Callable[[], Iterable[RecordedLine]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSide:
    """One side's audio as it was recorded: a file of samples, that begins after a header of so many bytes.

    ``has_headers``: messages may begin with a WAV header of their own.
    """

    side: Side
    format: AudioFormat
    path: Path
    header_bytes: int
    has_headers: bool = False


class StereoRecording:
    """One session's two sides, of which one may be missing; ``lines`` yields its lines, each time from the first.

    One second of it is in memory at a time.
    """

    def __init__(self, summary: SessionSummary, sides: Iterable[RecordedSide], lines: Lines) -> None:
        self._summary = summary
        self._sides = {each.side: each for each in sides}
        self._lines = lines
        self.sample_rate = max((each.format.sample_rate for each in self._sides.values()), default=0)

    def seconds(self) -> int:
        """Return how many seconds it has, the last one filled up with silence."""
        return max((_seconds_of(self._heard(each), each) for each in self._sides.values()), default=0)

    @property
    def a_second(self) -> int:
        """How many bytes one second takes."""
        return self.sample_rate * _BYTES_PER_FRAME

    def size(self, seconds: int) -> int:
        """Return how many bytes so many seconds take in a file, header included."""
        return len(_header(self.sample_rate, None)) + seconds * self.a_second

    def write(self, file: BinaryIO, seconds: int) -> None:
        """Write so many seconds as a WAV file of 16 bits; raises OSError."""
        left, right = self._seconds_heard(LEFT), self._seconds_heard(RIGHT)
        file.write(_header(self.sample_rate, seconds * self.a_second))
        for _ in range(seconds):
            frames = array("h", bytes(self.a_second))
            frames[0::2] = next(left)
            frames[1::2] = next(right)
            if sys.byteorder == "big":
                frames.byteswap()
            file.write(frames)

    def _seconds_heard(self, side: Side) -> Iterator[array[int]]:
        """Yield one side second by second, in the file's rate, silence without end after it."""
        recorded = self._sides.get(side)
        if recorded is not None:
            for second in _seconds_of_samples(self._heard(recorded), recorded):
                yield resampled(second, self.sample_rate)
        while True:
            yield array("h", bytes(2 * self.sample_rate))

    def _heard(self, recorded: RecordedSide) -> Iterator[Heard]:
        return in_long_parts(_heard(self._lines(), self._summary, recorded))


def resampled(second: array[int], sample_rate: int) -> array[int]:
    """Return one second of samples in another rate: each is the nearest one before it."""
    given = len(second)
    if given == sample_rate:
        return second
    divisor = gcd(given, sample_rate)
    step, period = given // divisor, sample_rate // divisor
    found = array("h", bytes(2 * sample_rate))
    for position in range(period):
        found[position::period] = second[position * step // period :: step]
    return found


def _heard(lines: Iterable[RecordedLine], summary: SessionSummary, recorded: RecordedSide) -> Iterator[Heard]:
    """Yield what is heard of one side, in its own samples."""
    playback, width = Playback(), recorded.format.bytes_per_sample or 1
    for line in lines:
        at = summary.at_ms(line) * recorded.format.sample_rate // 1000
        if line.direction == recorded.side and type_of(line) == AUDIO:
            begin, end = line.payload["offset"], line.payload["offset"] + line.payload["bytes"]
            begin += _own_header(recorded, begin, end) if recorded.has_headers else 0
            yield from playback.arrived(at, begin // width, end // width - begin // width)
        elif line.direction == recorded.side == RIGHT and type_of(line) == "UserStartedSpeaking":
            yield from playback.interrupted(at)
    yield from playback.finish()


def _own_header(recorded: RecordedSide, begin: int, end: int) -> int:
    """Return how many bytes of a message are its WAV header."""
    with recorded.path.open("rb") as file:
        file.seek(recorded.header_bytes + begin)
        data = file.read(end - begin)
    return len(data) - len(without_headers(data))


def _seconds_of(parts: Iterable[Heard], recorded: RecordedSide) -> int:
    return max((-(-part.end // recorded.format.sample_rate) for part in parts), default=0)


def _seconds_of_samples(parts: Iterable[Heard], recorded: RecordedSide) -> Iterator[array[int]]:
    """Yield one second of samples after the other, with silence where nothing is heard."""
    rate = recorded.format.sample_rate
    second, begin = array("h", bytes(2 * rate)), 0
    with recorded.path.open("rb") as file:
        for part in _within_seconds(parts, rate):
            while part.start >= begin + rate:
                yield second
                second, begin = array("h", bytes(2 * rate)), begin + rate
            samples = _read(file, recorded, part)
            at = part.start - begin
            second[at : at + len(samples)] = samples
    yield second


def _within_seconds(parts: Iterable[Heard], rate: int) -> Iterator[Heard]:
    """Divide parts where a second ends."""
    for part in parts:
        start, first, left = part.start, part.first, part.count
        while left:
            count = min(left, rate - start % rate)
            yield Heard(start=start, first=first, count=count)
            start, first, left = start + count, first + count, left - count


def _read(file: BinaryIO, recorded: RecordedSide, part: Heard) -> array[int]:
    """Return samples from the file; fewer where they never reached it."""
    width = recorded.format.bytes_per_sample or 1
    file.seek(recorded.header_bytes + part.first * width)
    data = file.read(part.count * width)
    samples = decode(recorded.format.encoding, data[: len(data) // width * width])
    if recorded.format.encoding == "linear32":  # the others' are whole numbers
        samples = [round(clipped(sample)) for sample in samples]
    return array("h", cast("Sequence[int]", samples))


def _header(sample_rate: int, size: int | None) -> bytes:
    return wav_header(AudioFormat("linear16", sample_rate), size, _CHANNELS) or b""
