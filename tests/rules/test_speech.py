"""Where the speech in the user's audio ends, and whether it came in real time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.speech import HeardSpeech, SpeechReader, can_be_read
from tests.support.speech import ENCODERS, Samples, linear16, mixed, noise, silence, tone

WINDOW_MS = 20


def take(reader: SpeechReader, audio: bytes, at_ms: int) -> None:
    """Have a reader read all that arrived at once."""
    for _ in reader.add(audio, at_ms):
        pass


def heard(samples: Samples, encoding: str, rate: int, frame_ms: int, *, pace: float = 1.0) -> HeardSpeech:
    """Return what is heard of audio that is sent in frames, each when its last sample has been spoken."""
    audio = ENCODERS[encoding](samples)
    format_ = AudioFormat(encoding, rate)
    reader, size = SpeechReader(format_), (format_.bytes_per_sample or 0) * rate * frame_ms // 1000
    for number, start in enumerate(range(0, len(audio), size), start=1):
        take(reader, audio[start : start + size], round(number * frame_ms / pace))
    return reader.result()


@pytest.mark.parametrize("frame_ms", [20, 100, 250])
@pytest.mark.parametrize(
    ("encoding", "rate"),
    [("linear16", 24_000), ("linear16", 16_000), ("linear32", 16_000), ("mulaw", 8000), ("alaw", 8000)],
)
@pytest.mark.parametrize("what", ["clean", "with noise", "with a pause"])
def test_speech_ends_where_its_last_loud_window_does(what: str, encoding: str, rate: int, frame_ms: int) -> None:
    samples = [*silence(600, rate), *tone(1407, rate)]
    if what == "with a pause":
        samples = [*silence(600, rate), *tone(700, rate), *silence(300, rate), *tone(407, rate)]
    samples += silence(1500, rate)
    if what == "with noise":
        samples = mixed(samples, noise(len(samples) * 1000 // rate, rate, -50))
    found = heard(samples, encoding, rate, frame_ms)
    assert found.ended_ms is not None
    assert abs(found.ended_ms - 2007) <= WINDOW_MS
    assert not found.unpaced


@pytest.mark.parametrize(("dbfs", "is_heard"), [(-38.0, True), (-42.0, False)])
def test_what_is_not_louder_than_40_dbfs_is_no_speech(dbfs: float, is_heard: bool) -> None:
    samples = [*silence(500, 16_000), *tone(1000, 16_000, dbfs), *silence(500, 16_000)]
    assert (heard(samples, "linear16", 16_000, 20).ended_ms is not None) == is_heard


@pytest.mark.parametrize(("speech_dbfs", "is_heard"), [(-16.0, True), (-20.0, False)])
def test_what_is_not_four_times_louder_than_the_quietest_tenth_is_no_speech(speech_dbfs: float, is_heard: bool) -> None:
    rate = 16_000
    loud_room = [*tone(1000, rate, -30.0), *tone(1000, rate, speech_dbfs), *tone(1000, rate, -30.0)]
    assert (heard(loud_room, "linear16", rate, 20).ended_ms is not None) == is_heard


def test_nothing_is_heard_in_nothing() -> None:
    assert SpeechReader(AudioFormat("mulaw", 8000)).result() == HeardSpeech(None, False)


@pytest.mark.parametrize(("pace", "unpaced"), [(1.0, False), (1.4, False), (2.0, True), (50.0, True)])
def test_audio_that_comes_faster_than_one_and_a_half_times_real_time_is_unpaced(pace: float, unpaced: bool) -> None:
    assert heard(tone(3000, 8000), "linear16", 8000, 20, pace=pace).unpaced == unpaced


def test_audio_at_once_after_silence_in_real_time_is_unpaced() -> None:
    reader = SpeechReader(AudioFormat("linear16", 8000))
    for number in range(250):
        take(reader, linear16(silence(20, 8000)), 20 * number)
    take(reader, linear16(tone(1000, 8000)), 5000)
    assert reader.result().unpaced


@pytest.mark.parametrize("silent_after_ms", [None, 100, 2000])
def test_speech_that_ends_within_a_window_ends_where_its_audio_does(silent_after_ms: int | None) -> None:
    """Nothing of it waits for the audio after a pause, whose window would end later."""
    reader = SpeechReader(AudioFormat("linear16", 8000))
    take(reader, linear16(silence(300, 8000)), 300)
    take(reader, linear16(tone(207, 8000))[:-1], 507)
    for number in range(0 if silent_after_ms is None else 10):
        take(reader, b"\0" * 321, 527 + (silent_after_ms or 0) + 20 * number)
    ended_ms = reader.result().ended_ms
    assert ended_ms is not None
    assert abs(ended_ms - 507) <= 1


@pytest.mark.parametrize("pause_ms", [None, 3000], ids=["at first", "after a pause"])
@pytest.mark.parametrize(("frame_ms", "unpaced"), [(250, False), (500, False), (1500, True)])
def test_audio_that_comes_in_one_piece_is_unpaced_unless_that_is_a_frame(
    pause_ms: int | None, frame_ms: int, unpaced: bool
) -> None:
    reader = SpeechReader(AudioFormat("linear16", 8000))
    if pause_ms is not None:
        take(reader, linear16(tone(20, 8000)), 20)
    take(reader, linear16(tone(frame_ms, 8000)), 20 + (pause_ms or 0))
    assert reader.result().unpaced == unpaced


@pytest.mark.parametrize("late_ms", [100, 200])
def test_what_was_late_for_a_moment_comes_at_once_and_is_not_unpaced(late_ms: int) -> None:
    reader = SpeechReader(AudioFormat("linear16", 8000))
    for number in range(100):
        at_ms = 1000 + late_ms if 1000 <= 20 * number < 1000 + late_ms else 20 * number
        take(reader, linear16(tone(20, 8000)), at_ms)
    assert not reader.result().unpaced


@pytest.mark.parametrize("encoding", ["opus", "flac", "unknown"])
def test_other_encodings_cannot_be_read(encoding: str) -> None:
    assert not can_be_read(AudioFormat(encoding, 16_000))


@given(audio=st.binary(max_size=4000), cuts=st.lists(st.integers(0, 4000), max_size=8))
def test_how_audio_is_cut_changes_nothing_of_what_is_loud(audio: bytes, cuts: list[int]) -> None:
    whole, pieces = (SpeechReader(AudioFormat("mulaw", 8000)) for _ in range(2))
    take(whole, audio, len(audio) // 8)
    places = sorted({0, len(audio), *(cut % (len(audio) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        take(pieces, audio[start:end], end // 8)
    one, other = whole.result().ended_ms, pieces.result().ended_ms
    assert (one is None) == (other is None)
    assert abs((one or 0) - (other or 0)) <= 1


def test_floating_point_that_is_no_number_is_no_louder_than_full_scale() -> None:
    reader = SpeechReader(AudioFormat("linear32", 8000))
    take(reader, b"\xff\xff\xff\x7f" * 1600 + bytes(6400), 400)
    assert reader.result().ended_ms == 200
