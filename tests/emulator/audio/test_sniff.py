"""Audio that isn't what Settings declare."""

from __future__ import annotations

import pytest

from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.audio.sniff import mismatch
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.rules.audio import AudioFormat
from tests.support.emulator_client import session

LINEAR = AudioFormat("linear16", 16000)
FORMATS = [AudioFormat(encoding, rate) for encoding in voice.CODECS for rate in (8000, 44100)]


@pytest.mark.parametrize("audio", FORMATS)
def test_header_of_the_declared_format_passes_and_no_other(audio: AudioFormat) -> None:
    header = voice.wav_header(audio, 1000)
    assert mismatch(audio, header) is None
    assert all("WAV" in str(mismatch(other, header)) for other in FORMATS if other != audio)


@pytest.mark.parametrize("magic", [b"OggS", b"fLaC", b"ID3", b"\x1a\x45\xdf\xa3", b"FORM"])
def test_file_of_a_compressed_format_is_named(magic: bytes) -> None:
    assert mismatch(LINEAR, magic + bytes(100))
    assert mismatch(AudioFormat("opus", 48000), magic + bytes(100)) is None


@pytest.mark.parametrize("sound", [b"", b"RIFF", b"RIFF" + bytes(40), bytes(640)])
def test_what_can_be_samples_passes(sound: bytes) -> None:
    assert mismatch(LINEAR, sound) is None


@pytest.mark.asyncio
async def test_wrong_file_ends_the_session(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.connection.send(b"OggS" + bytes(640))
        assert await client.failure() == "USER_AUDIO_FORMAT"


@pytest.mark.asyncio
async def test_only_the_first_audio_is_looked_at(emulator: Emulator) -> None:
    async with session(emulator, agent={}) as client:
        await client.connection.send(bytes(640))
        await client.connection.send(b"OggS" + bytes(636))
        await client.send("UpdatePrompt", prompt="x")
        await client.until("PromptUpdated")
