"""User audio: a WAV that fits, in frames at the pace of speech."""

from __future__ import annotations

import asyncio
import io
import itertools
import math
import wave
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.client.audio import FRAME_MS, PacedAudio, audio_pieces
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.rules.audio import AudioFormat

LINEAR16 = AudioFormat("linear16", 16000)
FRAME_BYTES = 640
START = 1000.0


class Clock:
    """A clock that only sleeping and sending move."""

    def __init__(self, *, send_seconds: float = 0.0, oversleep_seconds: float = 0.0) -> None:
        self.now = START
        self.sent: list[tuple[float, bytes]] = []
        self._send_seconds = send_seconds
        self._oversleep_seconds = oversleep_seconds

    def time(self) -> float:
        return self.now

    async def sleep(self, delay: float) -> None:
        self.now += delay + (self._oversleep_seconds if delay else 0.0)

    async def send(self, frame: bytes) -> None:
        self.sent.append((self.now, frame))
        self.now += self._send_seconds

    @property
    def sizes(self) -> list[int]:
        return [len(frame) for _, frame in self.sent]

    def lateness(self, pace: float = 1.0) -> list[float]:
        """Return how many seconds after its instant each frame went out."""
        return [at - (START + n * FRAME_MS / 1000 / pace) for n, (at, _) in enumerate(self.sent)]


def paced(
    data: bytes, *, format_: AudioFormat = LINEAR16, pace: float | None = 1.0, clock: Clock | None = None
) -> Clock:
    """Send audio by a clock of its own, and return that."""
    by = clock or Clock()

    async def work() -> None:
        paced_audio = PacedAudio(format_, by.send, pace, now=by.time, sleep=by.sleep)
        await paced_audio.add(data)
        await paced_audio.end()

    asyncio.run(work())
    return by


def test_every_byte_is_sent_once_in_frames_of_20_ms() -> None:
    data = bytes(range(256)) * 10
    clock = paced(data)
    assert b"".join(frame for _, frame in clock.sent) == data
    assert clock.sizes == [FRAME_BYTES] * 4
    assert paced(bytes(FRAME_BYTES + 2)).sizes == [FRAME_BYTES, 2]


@pytest.mark.parametrize("clock", [Clock(), Clock(send_seconds=0.015), Clock(oversleep_seconds=0.012)])
def test_frame_n_goes_out_at_its_instant_and_nothing_drifts(clock: Clock) -> None:
    paced(bytes(FRAME_BYTES * 500), clock=clock)
    assert len(clock.sent) == 500
    assert min(clock.lateness()) >= -1e-6
    assert max(clock.lateness()) < 0.015


def test_pacing_catches_up_after_a_delay() -> None:
    class Stalled(Clock):
        async def send(self, frame: bytes) -> None:
            await super().send(frame)
            if len(self.sent) == 5:
                self.now += 0.5

    clock = Stalled()
    paced(bytes(FRAME_BYTES * 100), clock=clock)
    assert max(clock.lateness()) > 0.4
    assert abs(clock.lateness()[-1]) < 1e-6


@pytest.mark.parametrize("pace", [0.5, 1.0, 2.0])
def test_it_takes_as_long_as_it_plays(pace: float) -> None:
    clock = paced(bytes(FRAME_BYTES * 50), pace=pace)
    assert clock.now - START == pytest.approx(1.0 / pace)
    assert max(map(abs, clock.lateness(pace))) < 1e-6


def test_without_a_pace_nothing_waits() -> None:
    clock = paced(bytes(FRAME_BYTES * 50), pace=None)
    assert sum(clock.sizes) == FRAME_BYTES * 50
    assert clock.now == START


@pytest.mark.parametrize("pace", [1.0, None])
def test_empty_audio_sends_nothing_and_does_not_wait(pace: float | None) -> None:
    clock = paced(b"", pace=pace)
    assert (clock.sent, clock.now) == ([], START)


@pytest.mark.parametrize("pace", [0.0, -1.0, math.nan])
def test_a_bad_pace_is_refused_before_anything_is_sent(pace: float) -> None:
    clock = Clock()
    with pytest.raises(SettingsError, match="pace"):
        paced(bytes(FRAME_BYTES), pace=pace, clock=clock)
    assert clock.sent == []


def test_audio_of_unknown_duration_is_sent_only_without_a_pace() -> None:
    opus = AudioFormat("opus", 48000)
    with pytest.raises(SettingsError, match="opus"):
        paced(bytes(10_000), format_=opus)
    assert sum(paced(bytes(10_000), format_=opus, pace=None).sizes) == 10_000


def test_a_rate_not_divisible_into_20_ms_takes_as_long_as_it_plays() -> None:
    clock = paced(bytes(2 * 11025 * 60), format_=AudioFormat("linear16", 11025))
    assert clock.now - START == pytest.approx(60, abs=0.03)


# Sources that give it bit by bit


class Source:
    """Gives pieces of so many milliseconds, each of which takes so many to come."""

    def __init__(self, clock: Clock, piece_ms: int, takes_ms: float, pieces: int = 200) -> None:
        self._clock, self._piece_ms, self._takes_ms, self._pieces = clock, piece_ms, takes_ms, pieces

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._pieces):
            self._clock.now += self._takes_ms / 1000
            yield bytes(32 * self._piece_ms)


def paced_from(source: Iterable[bytes], clock: Clock, format_: AudioFormat = LINEAR16) -> Clock:
    async def work() -> None:
        paced_audio = PacedAudio(format_, clock.send, 1.0, now=clock.time, sleep=clock.sleep)
        for piece in source:
            await paced_audio.add(piece)
        await paced_audio.end()

    asyncio.run(work())
    return clock


@given(st.lists(st.binary(max_size=1500), max_size=20))
def test_pieces_of_any_size_are_sent_in_frames_of_20_ms(pieces: list[bytes]) -> None:
    clock = paced_from(pieces, Clock())
    whole = b"".join(pieces)
    assert b"".join(frame for _, frame in clock.sent) == whole
    assert clock.sizes == paced(whole).sizes


@pytest.mark.parametrize(("piece_ms", "takes_ms"), [(20, 0), (20, 19), (10, 9.9), (50, 40), (7, 3), (200, 15)])
def test_a_source_that_is_fast_enough_is_paced_without_drift(piece_ms: int, takes_ms: float) -> None:
    clock = Clock(oversleep_seconds=0.002)
    paced_from(Source(clock, piece_ms, takes_ms), clock)
    first = clock.sent[0][0]
    late = [at - first - n * FRAME_MS / 1000 for n, (at, _) in enumerate(clock.sent)]
    assert min(late) >= -1e-6
    assert max(late) < 0.1


@pytest.mark.parametrize("takes_ms", [25, 100])
def test_a_source_slower_than_real_time_makes_pauses_and_nothing_is_hurried_afterwards(takes_ms: int) -> None:
    clock = Clock()
    paced_from(Source(clock, 20, takes_ms), clock)
    gaps = [after - before for (before, _), (after, _) in pairwise(clock.sent)]
    assert sum(gaps) == pytest.approx(199 * takes_ms / 1000, abs=0.03)
    paused = Clock()
    paced_from(itertools.chain(Source(paused, 20, 500, pieces=2), Source(paused, 20, 0)), paused)
    gaps = [after - before for (before, _), (after, _) in pairwise(paused.sent)]
    assert gaps[0] == pytest.approx(0.5)
    assert gaps[1:] == pytest.approx([0.02] * len(gaps[1:]))


def test_pieces_of_unknown_duration_are_kept_apart() -> None:
    async def work() -> list[int]:
        clock = Clock()
        opus = PacedAudio(AudioFormat("opus", 48_000), clock.send, None, now=clock.time, sleep=clock.sleep)
        for size in (100, 50, 5000):
            await opus.add(bytes(size))
        await opus.end()
        return clock.sizes

    assert asyncio.run(work()) == [100, 50, 4096, 904]


def wav(path: Path, *, channels: int = 1, width: int = 2, rate: int = 16000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(bytes(range(100)) * (2 * width * channels))
    return path


WAV_AUDIO = bytes(range(100)) * 4


def read(source: Any, format_: AudioFormat = LINEAR16, *, may_resample: bool = False) -> bytes:
    return b"".join(audio_pieces(source, format_, may_resample=may_resample))


@pytest.mark.parametrize("form", [str, Path, Path.read_bytes, lambda path: bytearray(path.read_bytes())])
def test_a_wav_that_fits_is_read_without_its_header(tmp_path: Path, form: Callable[[Path], Any]) -> None:
    assert read(form(wav(tmp_path / "a.wav"))) == WAV_AUDIO


def test_an_open_file_is_a_wav_file_if_it_begins_like_one(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav")
    with path.open("rb") as file:
        assert read(file) == WAV_AUDIO
        assert not file.closed
    with path.open("rb") as file:
        file.seek(1)
        assert read(file) == path.read_bytes()[1:]


def test_raw_audio_of_an_open_file_is_read_frame_by_frame() -> None:
    pieces = list(audio_pieces(io.BytesIO(bytes(12 + 3 * FRAME_BYTES)), LINEAR16, may_resample=False))
    assert [len(piece) for piece in pieces] == [12, *[FRAME_BYTES] * 3]


@pytest.mark.parametrize("audio", [b"", b"RIFF and so on", b"\1\2", memoryview(b"\1\2")])
def test_other_bytes_are_audio_already(audio: bytes) -> None:
    assert read(audio) == audio


def test_an_iterable_is_advanced_as_it_is_sent() -> None:
    asked: list[int] = []

    def source() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield bytes([number])

    pieces = iter(audio_pieces(source(), LINEAR16, may_resample=False))
    assert asked == []
    assert [next(pieces), list(asked), next(pieces), asked] == [b"\0", [0], b"\1", [0, 1]]


async def _async_source() -> AsyncIterator[bytes]:
    yield b"x"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (7, "audio can't be read from int; accepted: the path of a WAV file"),
        ([1, 2], "audio came as int, not bytes"),
        (["x"], "audio came as str, not bytes"),
        (io.StringIO("text"), "audio came as str, not bytes"),
        (_async_source(), "an async iterable of audio needs an async test"),
    ],
)
def test_what_is_no_audio_is_refused(source: object, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        read(source)


@pytest.mark.parametrize("content", [b"", b"no RIFF at all", b"RIFF\x10\0\0\0WAVEfmt "], ids=["empty", "text", "torn"])
def test_a_file_that_is_not_a_wav_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(SettingsError, match=r"a\.wav can't be read as a WAV file"):
        read(tmp_path / "a.wav")


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "a.wav")
