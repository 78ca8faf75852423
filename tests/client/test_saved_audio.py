"""The agent's audio as files that other programs open."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from pytest_dgbudget.client.saved_audio import save_audio
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.recording.wav import WavFile, read_wav
from pytest_dgbudget.rules.audio import AudioFormat

LINEAR16 = AudioFormat("linear16", 24_000)


def test_python_opens_linear16(tmp_path: Path) -> None:
    assert save_audio(tmp_path / "a.wav", b"abcdef", LINEAR16) == tmp_path / "a.wav"
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 24_000, 3)
        assert file.readframes(9) == b"abcdef"


@pytest.mark.parametrize(("encoding", "tag", "bits"), [("mulaw", 7, 8), ("alaw", 6, 8), ("linear32", 3, 32)])
def test_other_samples_have_the_format_of_their_encoding(tmp_path: Path, encoding: str, tag: int, bits: int) -> None:
    saved = save_audio(str(tmp_path / "a.WAV"), b"abcdefgh", AudioFormat(encoding, 8000))
    assert read_wav(saved.read_bytes()) == WavFile(tag=tag, channels=1, rate=8000, bits=bits, audio=b"abcdefgh")


def test_an_odd_number_of_bytes_is_followed_by_one_that_is_not_counted(tmp_path: Path) -> None:
    file = save_audio(tmp_path / "a.wav", b"abc", AudioFormat("mulaw", 8000)).read_bytes()
    assert len(file) % 2 == 0
    assert read_wav(file).audio == b"abc"


def test_replies_in_container_wav_become_one_file(tmp_path: Path) -> None:
    replies = [b"".join(voice.frames(LINEAR16, ms)) for ms in (100, 200)]
    received = b"".join(voice.wav_header(LINEAR16, ms) + reply for ms, reply in zip((100, 200), replies, strict=True))
    saved = save_audio(tmp_path / "a.wav", received, LINEAR16, "wav")
    assert read_wav(saved.read_bytes()).audio == b"".join(replies)


@pytest.mark.parametrize(
    ("encoding", "container", "suffix"),
    [("mp3", "none", "mp3"), ("opus", "ogg", "ogg"), ("flac", "none", "flac"), ("linear16", "ogg", "ogg")],
)
def test_compressed_audio_is_written_as_it_came_with_its_own_suffix(
    tmp_path: Path, encoding: str, container: str, suffix: str
) -> None:
    format_ = AudioFormat(encoding, 24_000)
    assert save_audio(tmp_path / f"a.{suffix}", b"abc", format_, container).read_bytes() == b"abc"
    with pytest.raises(SettingsError, match=rf"a\.wav should end in \.{suffix}: .* use a\.{suffix}"):
        save_audio(tmp_path / "a.wav", b"abc", format_, container)
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize("name", ["a.mp3", "a"])
def test_a_wav_file_is_not_called_otherwise(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} should end in \.wav"):
        save_audio(tmp_path / name, b"ab", LINEAR16)


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save_audio(tmp_path / "none" / "a.wav", b"ab", LINEAR16)


def test_no_audio_is_a_file_without_any(tmp_path: Path) -> None:
    assert read_wav(save_audio(tmp_path / "a.wav", b"", LINEAR16).read_bytes()).audio == b""
