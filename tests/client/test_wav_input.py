"""WAV files of any kind as a session's input, and what is said of those that don't fit."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import pytest

from pytest_dgbudget.client.wav_input import wav_input
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.recording.wav import wav_header
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import SAMPLED, decode, encode

RATE = 16_000
LINEAR16 = AudioFormat("linear16", RATE)
SAMPLES = [round(9000 * math.sin(n / 5)) * 256 // 256 for n in range(400)]

# Format tag, bits, and a sample of 16 bits as bytes.
KINDS: dict[str, tuple[int, int, Callable[[int], bytes]]] = {
    "8 bit": (1, 8, lambda sample: bytes([(sample >> 8) + 128])),
    "16 bit": (1, 16, lambda sample: struct.pack("<h", sample)),
    "24 bit": (1, 24, lambda sample: struct.pack("<i", sample << 8)[:3]),
    "32 bit": (1, 32, lambda sample: struct.pack("<i", sample << 16)),
    "float": (3, 32, lambda sample: struct.pack("<f", sample / 32768)),
    "mulaw": (7, 8, lambda sample: encode("mulaw", [sample])),
    "alaw": (6, 8, lambda sample: encode("alaw", [sample])),
}


def wav(kind: str = "16 bit", *, channels: int = 1, rate: int = RATE, extensible: bool = False) -> bytes:
    """Return a file in which every channel has the same samples."""
    tag, bits, as_bytes = KINDS[kind]
    width = bits // 8
    fields = struct.pack("<HIIHH", channels, rate, rate * width * channels, width * channels, bits)
    if extensible:
        fields = struct.pack("<H", 0xFFFE) + fields + struct.pack("<HHIH", 22, bits, 0, tag) + bytes(14)
    else:
        fields = struct.pack("<H", tag) + fields
    audio = b"".join(as_bytes(sample) * channels for sample in SAMPLES)
    chunks = b"fmt " + struct.pack("<I", len(fields)) + fields + b"data" + struct.pack("<I", len(audio)) + audio
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def heard(file: bytes, format_: AudioFormat = LINEAR16, *, may_resample: bool = False) -> list[float]:
    return list(decode(format_.encoding, wav_input(file, "a.wav", format_, may_resample=may_resample)))


def refused(file: bytes, format_: AudioFormat = LINEAR16, path: str | None = "a.wav") -> str:
    with pytest.raises(SettingsError) as error:
        wav_input(file, path, format_, may_resample=False)
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_samples_of_every_kind_are_read(kind: str, extensible: bool, channels: int) -> None:
    off_by = {"8 bit": 256, "mulaw": 512, "alaw": 512}.get(kind, 1)
    found = heard(wav(kind, extensible=extensible, channels=channels), may_resample=True)
    assert len(found) == len(SAMPLES)
    assert max(abs(one - other) for one, other in zip(found, SAMPLES, strict=True)) <= off_by


@pytest.mark.parametrize("kind", ["8 bit", "16 bit", "mulaw", "alaw"])
@pytest.mark.parametrize("encoding", SAMPLED)
def test_an_encoding_alone_is_converted_unasked(kind: str, encoding: str) -> None:
    found = heard(wav(kind), AudioFormat(encoding, RATE))
    assert max(abs(one - other) for one, other in zip(found, SAMPLES, strict=True)) <= 1024


@pytest.mark.parametrize("kind", ["24 bit", "32 bit", "float"])
def test_linear32_loses_nothing_of_any_kind(kind: str) -> None:
    assert heard(wav(kind), AudioFormat("linear32", RATE)) == SAMPLES


@pytest.mark.parametrize("encoding", SAMPLED)
def test_what_fits_is_not_touched(encoding: str) -> None:
    format_, audio = AudioFormat(encoding, RATE), bytes(range(200))
    header = wav_header(format_, len(audio))
    assert header is not None
    assert wav_input(header + audio, None, format_, may_resample=False) == audio


def test_channels_are_mixed_to_their_mean() -> None:
    left_and_right = struct.pack("<4h", 1000, 3000, -2000, 0)
    header = wav_header(LINEAR16, len(left_and_right), channels=2)
    assert header is not None
    assert heard(header + left_and_right, may_resample=True) == [2000, -1000]


def test_a_wrong_rate_names_the_fix() -> None:
    assert refused(wav(rate=44_100)) == (
        "a.wav does not fit the session's audio.input: its sample rate is 44100 Hz, not 16000 Hz. "
        'Change the settings to audio.input = {"encoding": "linear16", "sample_rate": 44100}. '
        "Pass resample=True, and it is converted each time. "
        "Or convert the file once: ffmpeg -i a.wav -ac 1 -ar 16000 -c:a pcm_s16le a-16000.wav"
    )


def test_all_that_does_not_fit_is_named() -> None:
    said = refused(wav("24 bit", rate=8000, channels=2), AudioFormat("mulaw", RATE))
    for difference in ("8000 Hz, not 16000 Hz", "2 channels, not 1", "24 bit PCM, not mulaw", "-c:a pcm_mulaw"):
        assert difference in said
    assert "Change the settings" not in said, "no settings are in stereo"


@pytest.mark.parametrize(("kind", "encoding"), [("24 bit", "linear32"), ("float", "linear32"), ("alaw", "alaw")])
def test_the_settings_that_are_proposed_fit_the_file(kind: str, encoding: str) -> None:
    assert f'{{"encoding": "{encoding}", "sample_rate": 8000}}' in refused(wav(kind, rate=8000))


def test_the_command_stands_a_path_with_blanks() -> None:
    said = refused(wav(rate=8000), path="my audio/a b.wav")
    assert "ffmpeg -i 'my audio/a b.wav' -ac 1 -ar 16000 -c:a pcm_s16le 'my audio/a b-16000.wav'" in said


def test_audio_without_a_path_has_a_command_too() -> None:
    said = refused(wav(rate=8000), path=None)
    assert said.startswith("the WAV audio does not fit")
    assert "ffmpeg -i input.wav" in said


def test_a_rate_is_changed_on_request() -> None:
    assert len(heard(wav(rate=8000), may_resample=True)) == 2 * len(SAMPLES)
    assert len(heard(wav("float", rate=48_000, channels=2), AudioFormat("alaw", 8000), may_resample=True)) == 67


@pytest.mark.parametrize(
    ("file", "encoding", "why"),
    [
        (b"", "linear16", "can't be read as a WAV file: it does not begin with a RIFF header"),
        (wav(), "opus", "change|Change audio.input in the settings"),
        (wav().replace(b"\x01\x00\x01\x00", b"\x55\x00\x01\x00", 1), "linear16", "format 85 with 16 bits a sample"),
    ],
)
def test_what_can_not_be_converted_says_why(file: bytes, encoding: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        wav_input(file, "a.wav", AudioFormat(encoding, RATE), may_resample=True)
