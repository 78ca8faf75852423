"""The user's audio is kept as it passed: for ten seconds, within bounds, and read in slices."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.frames import BINARY, CONTINUATION, TEXT, frame
from pytest_dgbudget.gateway.heard_audio import AudioMemory, HeardAudio
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.speech import HeardSpeech

MULAW = AudioFormat("mulaw", 8000)
LINEAR16 = AudioFormat("linear16", 24_000)
MIB = 2**20


def loud(ms: int) -> bytes:
    """Return mu-law audio of the loudest code."""
    return b"\x00" * (8 * ms)


def quiet(ms: int) -> bytes:
    return b"\xff" * (8 * ms)


def sent(at_ms: int, *audio: bytes) -> Chunk:
    return Chunk(at_ms, b"".join(frame(BINARY, each, mask=True) for each in audio))


class Read:
    """What was heard of kept audio, and in how many slices."""

    def __init__(
        self, heard: HeardAudio, format_: AudioFormat = MULAW, *, now_ms: int = 10_000, after_ms: int = -1
    ) -> None:
        self.speech: HeardSpeech | None = None
        self.slowest_ms = 0.0
        waiting: list[Callable[[], None]] = []
        reading = heard.reading(format_, now_ms, after_ms)
        waiting.append(lambda: reading.go_on(waiting.append, self._done))
        self.slices = 0
        while waiting:
            self.slices += 1
            started = time.thread_time()  # other processes' time is not ours
            waiting.pop()()
            self.slowest_ms = max(self.slowest_ms, (time.thread_time() - started) * 1000)

    def _done(self, speech: HeardSpeech) -> None:
        self.speech = speech

    @property
    def ended_ms(self) -> int | None:
        assert self.speech is not None
        return self.speech.ended_ms


def test_what_came_within_ten_seconds_is_read_and_nothing_earlier() -> None:
    heard = HeardAudio(AudioMemory(MIB))
    heard.add(sent(1000, loud(100)))
    heard.add(sent(2000, quiet(900)))
    assert Read(heard).ended_ms == 1000
    assert Read(heard, now_ms=11_001).ended_ms is None
    heard.add(sent(11_001, quiet(900)))
    assert Read(heard, now_ms=11_001).ended_ms is None


def test_the_masks_of_frames_and_texts_between_them_are_no_audio() -> None:
    heard = HeardAudio(AudioMemory(MIB))
    heard.add(Chunk(1000, frame(BINARY, loud(100), mask=True) + frame(BINARY, quiet(900), mask=True)))
    text = frame(TEXT, b"\x00" * 400, mask=True, final=False), frame(CONTINUATION, b"\x00" * 400, mask=True)
    heard.add(Chunk(1500, frame(BINARY, quiet(500), mask=True) + text[0]))
    heard.add(Chunk(1600, text[1] + frame(BINARY, quiet(100), mask=True)))
    assert Read(heard).ended_ms == 100


def test_a_long_frame_is_heard_where_its_parts_came() -> None:
    wire = frame(BINARY, loud(1000) + quiet(15_000), mask=True)
    heard = HeardAudio(AudioMemory(MIB))
    first, rest = 70_000, len(wire) - 70_000
    heard.add(Chunk(9000, wire[:first]))
    heard.add(Chunk(16_000, wire[first:], rest))
    assert Read(heard, now_ms=17_000).ended_ms == 9000 - (first - 14 - 8000) // 8


@given(sessions=st.integers(1, 200), seconds=st.integers(1, 4), rate=st.sampled_from([8000, 24_000, 48_000]))
def test_all_sessions_together_keep_no_more_than_their_memory(sessions: int, seconds: int, rate: int) -> None:
    memory = AudioMemory(4 * MIB)
    all_heard = [HeardAudio(memory) for _ in range(sessions)]
    for number in range(seconds * 50):
        chunk = Chunk(20 * number, bytes(rate // 25))
        for heard in all_heard:
            heard.add(chunk)
    kept = sum(heard.size for heard in all_heard)
    assert kept <= memory.size + sessions * 2000
    assert all(heard.size <= MIB for heard in all_heard)


def test_audio_that_comes_faster_than_it_plays_is_kept_for_as_long_as_it_plays() -> None:
    heard = HeardAudio(AudioMemory(40 * MIB))
    heard.plays(MULAW)
    for _ in range(100):
        heard.add(sent(1000, loud(1000)))
    assert 80_000 < heard.size <= 80_000 * 1.25 + 150 * 13


@given(frame_ms=st.sampled_from([20, 40, 100, 250]), format_=st.sampled_from([MULAW, LINEAR16]))
def test_ten_seconds_in_real_time_are_kept_whole(frame_ms: int, format_: AudioFormat) -> None:
    heard = HeardAudio(AudioMemory(40 * MIB))
    heard.plays(format_)
    size = frame_ms * format_.sample_rate * (format_.bytes_per_sample or 0) // 1000
    for number in range(12_000 // frame_ms):
        heard.add(sent(number * frame_ms, bytes(size)))
    frames = 10_000 // frame_ms
    assert heard.size >= frames * (size + 150)


def test_a_session_that_has_ended_leaves_its_share_to_the_others() -> None:
    memory = AudioMemory(MIB)
    first, second = HeardAudio(memory), HeardAudio(memory)
    assert memory.share == MIB // 2
    first.add(Chunk(0, b"x"))
    first.forget()
    assert (memory.share, first.size) == (MIB, 0)
    second.forget()


# How long a slice may take is an aim of 1 ms; a busy machine is given more.
MOST_MS = 25


@pytest.mark.parametrize(
    ("format_", "chunks", "frames", "size"),
    [
        (LINEAR16, 500, 1, 960),
        (AudioFormat("linear16", 48_000), 3750, 1, 256),
        (MULAW, 1, 1, 64_000),
        (MULAW, 2, 8000, 2),
        (MULAW, 10, 8000, 0),
    ],
    ids=["20 ms", "worklet", "at once", "two bytes each", "empty"],
)
def test_what_is_kept_is_read_in_short_slices(format_: AudioFormat, chunks: int, frames: int, size: int) -> None:
    heard = HeardAudio(AudioMemory(40 * MIB))
    wire = frame(BINARY, bytes(size), mask=True) * frames
    for number in range(chunks):
        heard.add(Chunk(10_000 * number // chunks, wire))
    read = Read(heard, format_)
    assert read.speech is not None
    assert read.slices >= 5
    assert read.slowest_ms < MOST_MS


def test_the_users_part_is_what_came_after_the_one_that_was_answered() -> None:
    heard = HeardAudio(AudioMemory(MIB))
    heard.add(sent(1000, *[loud(20)] * 50))
    heard.add(sent(3000, quiet(500)))
    assert Read(heard).speech == HeardSpeech(1000, True)
    assert Read(heard, after_ms=2000).speech == HeardSpeech(None, False)


def test_a_reading_that_fails_is_over_and_has_heard_nothing() -> None:
    def broken(chunk: Chunk) -> NoReturn:
        raise ArithmeticError

    heard, ends = HeardAudio(AudioMemory(MIB)), list[HeardSpeech]()
    heard.add(sent(1000, loud(20)))
    reading = heard.reading(MULAW, 1000)
    with patch.object(reading._payloads, "read", broken), pytest.raises(ArithmeticError):
        reading.go_on(lambda step: None, ends.append)
    assert ends == [HeardSpeech(None, False)]


def test_sessions_that_come_take_from_those_that_are_quiet() -> None:
    memory = AudioMemory(4 * MIB)
    early = HeardAudio(memory)
    for number in range(100):
        early.add(Chunk(number, bytes(10_000)))
    later = [HeardAudio(memory) for _ in range(15)]
    assert len(later) == 15
    assert early.size <= memory.share == 4 * MIB // 16
