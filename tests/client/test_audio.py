"""User audio: a WAV that fits, in frames at the pace of speech."""

from __future__ import annotations

import asyncio
import math
import wave
from pathlib import Path

import pytest

from pytest_dgbudget.client.audio import FRAME_MS, read_audio, send_paced
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
    asyncio.run(send_paced(data, format_, by.send, pace, now=by.time, sleep=by.sleep))
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


# Files


def wav(path: Path, *, channels: int = 1, width: int = 2, rate: int = 16000, samples: int = 100) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(range(100)) * (samples * width * channels // 100))
    return path


@pytest.mark.parametrize("as_text", [True, False])
def test_a_wav_that_fits_is_read_without_its_header(tmp_path: Path, as_text: bool) -> None:
    path = wav(tmp_path / "a.wav")
    assert read_audio(str(path) if as_text else path, LINEAR16) == bytes(range(100)) * 2


def test_bytes_are_audio_already() -> None:
    assert read_audio(b"RIFF and so on", LINEAR16) == b"RIFF and so on"


@pytest.mark.parametrize(
    ("fields", "has"),
    [
        ({"channels": 2}, "2 channel(s) of 16 bit at 16000 Hz"),
        ({"width": 1}, "1 channel(s) of 8 bit at 16000 Hz"),
        ({"rate": 8000}, "1 channel(s) of 16 bit at 8000 Hz"),
        ({"width": 4}, "1 channel(s) of 32 bit at 16000 Hz"),
    ],
)
def test_a_wav_of_another_form_is_refused_with_both(tmp_path: Path, fields: dict[str, int], has: str) -> None:
    path = wav(tmp_path / "a.wav", **fields)
    with pytest.raises(SettingsError) as refused:
        read_audio(path, LINEAR16)
    assert has in str(refused.value)
    assert "a.wav" in str(refused.value)
    assert "linear16, mono, at 16000 Hz" in str(refused.value)


def test_a_wav_is_refused_when_the_settings_promise_compressed_audio(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="mulaw"):
        read_audio(wav(tmp_path / "a.wav", width=1, rate=8000), AudioFormat("mulaw", 8000))


@pytest.mark.parametrize("content", [b"", b"no RIFF at all", b"RIFF\x10\0\0\0WAVEfmt "], ids=["empty", "text", "torn"])
def test_a_file_that_is_not_a_wav_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(SettingsError, match=r"a\.wav can't be read as a WAV file"):
        read_audio(tmp_path / "a.wav", LINEAR16)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_audio(tmp_path / "a.wav", LINEAR16)
