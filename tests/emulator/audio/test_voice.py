"""How the emulator sounds and how it hears; time is audio time."""

from __future__ import annotations

import io
import wave

import pytest

from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.audio.voice_activity import SpeechEnded, SpeechStarted, VoiceActivityDetector
from pytest_dgbudget.rules.audio import AudioFormat

RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000]
FORMATS = [AudioFormat(encoding, 8000) for encoding in ("linear16", "mulaw", "alaw")]


def sound(audio: AudioFormat, milliseconds: int) -> bytes:
    return b"".join(voice.frames(audio, milliseconds))


def silence(audio: AudioFormat, milliseconds: int) -> bytes:
    return {"linear16": b"\0\0", "mulaw": b"\xff", "alaw": b"\xd5"}[audio.encoding] * (
        audio.sample_rate * milliseconds // 1000
    )


@pytest.mark.parametrize(("text", "milliseconds"), [("", 300), ("x" * 10, 700), ("x" * 1000, 70_000)])
def test_longer_text_takes_longer(text: str, milliseconds: int) -> None:
    assert voice.duration_ms(text) == milliseconds


@pytest.mark.parametrize(("characters", "pause"), [(30, 2.2), (60, 5.9), (90, 8.4), (143, 10.2)])
def test_a_sentence_takes_about_as_long_as_the_pause_after_it_was_seen_to_be(characters: int, pause: float) -> None:
    assert 0.7 * pause < voice.duration_ms("x" * characters) / 1000 < 1.1 * pause


@pytest.mark.parametrize("rate", RATES)
def test_frames_are_120_ms_without_drift_and_the_last_is_shorter(rate: int) -> None:
    audio = AudioFormat("linear16", rate)
    sizes = [len(frame) // 2 for frame in voice.frames(audio, 2980)]
    assert len(sizes) == 25
    assert sum(sizes) == 298 * rate // 100
    assert max(sizes[:-1]) - min(sizes[:-1]) <= 1
    assert abs(sizes[0] - rate * 120 / 1000) <= 1
    assert abs(sizes[-1] - rate * 100 / 1000) <= 1


@pytest.mark.parametrize("rate", [1, 7, 49, 50, 51, 8001, 192000])
def test_any_rate_gives_its_length(rate: int) -> None:
    assert len(sound(AudioFormat("mulaw", rate), 2000)) == 2 * rate


def test_wav_header_fits_its_sound() -> None:
    audio = AudioFormat("linear16", 22050)
    with wave.open(io.BytesIO(voice.wav_header(audio, 600) + sound(audio, 600))) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (22050, 2, 1)
        assert file.getnframes() == 22050 * 600 // 1000


@pytest.mark.parametrize("audio", FORMATS, ids=lambda audio: audio.encoding)
@pytest.mark.parametrize("chunk", [1, 7, 333, 10**6])
def test_speech_is_heard_in_chunks_of_any_size(audio: AudioFormat, chunk: int) -> None:
    data = silence(audio, 300) + sound(audio, 1000) + silence(audio, 600) + sound(audio, 400)
    detector = VoiceActivityDetector(audio)
    events = [event for at in range(0, len(data), chunk) for event in detector.detect(data[at : at + chunk])]
    started, ended, again = events
    assert started == again == SpeechStarted()
    assert isinstance(ended, SpeechEnded)
    assert 800 <= ended.milliseconds <= 1000
    assert detector.speaking
    last = detector.end_turn()
    assert last is not None
    assert 200 <= last.milliseconds <= 400
    assert detector.end_turn() is None


@pytest.mark.parametrize("audio", FORMATS, ids=lambda audio: audio.encoding)
def test_silence_and_clicks_are_not_speech(audio: AudioFormat) -> None:
    click = silence(audio, 300) + sound(audio, 160)[-40:] + silence(audio, 300)
    assert list(VoiceActivityDetector(audio).detect(silence(audio, 2000) + click)) == []


def test_unknown_encoding_is_silence() -> None:
    assert list(VoiceActivityDetector(AudioFormat("opus", 16000)).detect(b"\x7f" * 100_000)) == []
