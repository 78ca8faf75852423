"""The stereo file of a session has both sides where they were heard."""

from __future__ import annotations

import io
import math
import tracemalloc
import wave
from array import array
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.recording.lines import AUDIO, LINES_FILE, RecordedLine, Side
from pytest_dgbudget.recording.reading import lines_in
from pytest_dgbudget.recording.wav import wav_header
from pytest_dgbudget.report.session_summary import SessionSummary, summary_of
from pytest_dgbudget.report.stereo import RecordedSide, StereoRecording, resampled
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import encode
from tests.support.recorded_sessions import WELCOME, Step, ended, record, settings
from tests.support.recordings import CLIENT, SESSION, VENDOR

RATE = 8000
LOUD = 8000
SIDES: tuple[Side, Side] = ("client_to_server", "server_to_client")


def tone(ms: int, rate: int = RATE) -> list[int]:
    return [round(LOUD * math.sin(2 * math.pi * 400 * n / rate)) for n in range(ms * rate // 1000)]


def pcm(ms: int, encoding: str = "linear16", rate: int = RATE) -> bytes:
    return encode(encoding, tone(ms, rate))


def stereo(folder: Path, *steps: Step, given: Step | None = None) -> tuple[array[int], array[int], int]:
    """Record a session; return the left and the right samples of its file, and their rate."""
    given = given or settings(rate=RATE)
    session = record(folder, [WELCOME, given, *steps, ended(5000)]) / SESSION
    lines = partial(lines_in, session / LINES_FILE)
    summary = summary_of(lines())
    assert summary is not None
    recording = StereoRecording(summary, sides_of(session, summary), lines)
    file = io.BytesIO()
    recording.write(file, recording.seconds())
    assert len(file.getvalue()) == recording.size(recording.seconds())
    file.seek(0)
    with wave.open(file) as read:
        assert (read.getnchannels(), read.getsampwidth()) == (2, 2)
        samples = array("h", read.readframes(read.getnframes()))
        return samples[0::2], samples[1::2], read.getframerate()


def sides_of(session: Path, summary: SessionSummary) -> Iterator[RecordedSide]:
    for side, stem in zip(SIDES, ("user", "agent"), strict=True):
        for path in session.glob(f"{stem}.*"):
            header = wav_header(summary.audio[side].format) or b""
            yield RecordedSide(side=side, format=summary.audio[side].format, path=path, header_bytes=len(header))


def loud_ms(samples: array[int], rate: int) -> set[int]:
    """Return the hundredths of a second in which something is heard."""
    size = rate // 100
    return {at // size * 10 for at in range(0, len(samples), size) if max(map(abs, samples[at : at + size])) > 1000}


def between(begin_ms: int, end_ms: int) -> set[int]:
    return set(range(begin_ms, end_ms, 10))


def in_real_time(who: str, begin_ms: int, ms: int, piece_ms: int = 20) -> list[Step]:
    return [(at, who, pcm(piece_ms)) for at in range(begin_ms, begin_ms + ms, piece_ms)]


def test_the_user_is_heard_on_the_left_and_the_agent_on_the_right_when_they_spoke(tmp_path: Path) -> None:
    left, right, rate = stereo(tmp_path, *in_real_time(CLIENT, 1000, 500), (2000, VENDOR, pcm(700)))
    assert rate == RATE
    assert loud_ms(left, rate) == between(1000, 1500)
    assert loud_ms(right, rate) == between(2000, 2700)


def test_an_agent_that_is_interrupted_is_heard_until_then_and_overlaps_with_the_user(tmp_path: Path) -> None:
    """Its three seconds come within one; the user speaks from 2 s on, and the vendor notices at 2.2 s."""
    early = [(1000 + n * 100, VENDOR, pcm(300)) for n in range(10)]
    spoken = sorted(
        [*in_real_time(CLIENT, 2000, 1000), (2200, VENDOR, {"type": "UserStartedSpeaking"})], key=lambda step: step[0]
    )
    left, right, rate = stereo(tmp_path, *early, *spoken, (3500, VENDOR, pcm(200)))
    assert loud_ms(left, rate) == between(2000, 3000)
    assert loud_ms(right, rate) == between(1000, 2200) | between(3500, 3700)
    assert loud_ms(left, rate) & loud_ms(right, rate) == between(2000, 2200)


def test_audio_sent_faster_than_it_is_spoken_sounds_piece_by_piece(tmp_path: Path) -> None:
    left, _, rate = stereo(tmp_path, *[(1000 + n, CLIENT, pcm(100)) for n in range(5)])
    assert loud_ms(left, rate) == between(1000, 1500)


@pytest.mark.parametrize("encoding", ["mulaw", "alaw", "linear32"])
def test_the_other_encodings_are_decoded(tmp_path: Path, encoding: str) -> None:
    left, right, rate = stereo(
        tmp_path,
        (1000, CLIENT, pcm(500, encoding)),
        (2000, VENDOR, pcm(500, encoding)),
        given=settings(encoding, RATE),
    )
    assert loud_ms(left, rate) == between(1000, 1500)
    assert loud_ms(right, rate) == between(2000, 2500)
    expected = tone(500)
    assert max(abs(sample - expected[n]) for n, sample in enumerate(left[RATE : RATE + len(expected)])) < LOUD / 20


def test_headers_among_the_samples_are_not_heard(tmp_path: Path) -> None:
    """With container wav, each reply begins with one."""
    header = wav_header(AudioFormat("linear16", RATE))
    assert header is not None
    at_ms, who, given = settings(rate=RATE)
    given["audio"]["output"]["container"] = "wav"
    session = record(
        tmp_path,
        [WELCOME, (at_ms, who, given), (1000, VENDOR, header + pcm(300)), (1100, VENDOR, pcm(200)), ended(3000)],
    )
    lines = partial(lines_in, session / SESSION / LINES_FILE)
    summary = summary_of(lines())
    assert summary is not None
    path = next((session / SESSION).glob("agent.*"))
    side = RecordedSide(side=VENDOR, format=AudioFormat("linear16", RATE), path=path, header_bytes=0, has_headers=True)
    recording, written = StereoRecording(summary, [side], lines), io.BytesIO()
    recording.write(written, recording.seconds())
    right = array("h", written.getvalue()[44:])[1::2]
    expected = tone(300) + tone(200)
    assert list(right[RATE : RATE + len(expected)]) == expected
    assert loud_ms(right, RATE) == between(1000, 1500)


def test_two_rates_give_a_file_of_the_higher_one(tmp_path: Path) -> None:
    left, right, rate = stereo(
        tmp_path,
        (1000, CLIENT, pcm(500, rate=8000)),
        (2000, VENDOR, pcm(500, rate=24_000)),
        given=settings(rate=8000, output_rate=24_000),
    )
    assert rate == 24_000
    assert loud_ms(left, rate) == between(1000, 1500)
    assert list(right[2 * rate : 2 * rate + 12_000]) == tone(500, 24_000)


@pytest.mark.parametrize(("given", "wanted"), [(8000, 24_000), (24_000, 16_000), (44_100, 48_000), (8000, 8000)])
def test_a_second_stays_a_second_in_another_rate(given: int, wanted: int) -> None:
    second = array("h", range(-given // 2, given - given // 2)) if given <= 65_536 else array("h")
    found = resampled(second, wanted)
    assert list(found) == [second[n * given // wanted] for n in range(wanted)]


def test_a_side_that_was_never_recorded_is_silent(tmp_path: Path) -> None:
    left, right, _ = stereo(tmp_path, (1000, VENDOR, pcm(300)))
    assert set(left) == {0}
    assert len(left) == len(right)


def test_a_recording_that_ends_within_its_audio_goes_on_in_silence(tmp_path: Path) -> None:
    session = record(tmp_path, [WELCOME, settings(rate=RATE), (1000, CLIENT, pcm(400)), ended(5000)]) / SESSION
    with (session / "user.wav").open("r+b") as file:
        file.truncate(44 + 2 * RATE * 200 // 1000 + 1)
    lines = partial(lines_in, session / LINES_FILE)
    summary = summary_of(lines())
    assert summary is not None
    recording, written = StereoRecording(summary, sides_of(session, summary), lines), io.BytesIO()
    recording.write(written, recording.seconds())
    assert loud_ms(array("h", written.getvalue()[44:])[0::2], RATE) == between(1000, 1200)


def long_session(hours: int, rate: int) -> Iterable[RecordedLine]:
    """Yield half a second of each side after the other, some of them a little late."""
    begin = datetime(2026, 11, 30, tzinfo=timezone.utc)
    for n in range(hours * 3600 * 2):
        ts = write_instant(begin + timedelta(milliseconds=500 * n + n % 3))
        payload = {"type": AUDIO, "bytes": rate, "offset": n * rate}
        for side in SIDES:
            yield RecordedLine(request_id=None, session_id="", seq=0, ts=ts, direction=side, payload=payload)


@pytest.mark.slow
def test_a_session_of_two_hours_takes_little_memory(tmp_path: Path) -> None:
    rate, hours = 24_000, 2
    path = tmp_path / "audio.raw"
    with path.open("wb") as file:
        file.truncate(hours * 3600 * rate * 2)
    audio = AudioFormat("linear16", rate)
    summary = summary_of(long_session(1, rate))
    assert summary is not None
    recorded = [RecordedSide(side=side, format=audio, path=path, header_bytes=0) for side in SIDES]
    recording = StereoRecording(summary, recorded, partial(long_session, hours, rate))

    seconds = recording.seconds()
    assert hours * 3600 <= seconds <= hours * 3600 + 1
    tracemalloc.start()
    with Path("/dev/null").open("wb") as nowhere:
        recording.write(nowhere, seconds)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * 1024 * 1024
