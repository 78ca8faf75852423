"""Settings with other audio, and a question as audio of these."""

import struct
import wave
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS
from pytest_dgbudget.client.spoken_text import spoken
from pytest_dgbudget.rules.audio import AudioFormat

QUESTION = "Where is my order A-17?"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def by_phone() -> dict[str, Any]:
    audio = {"encoding": "mulaw", "sample_rate": 8000}
    return {**DEFAULT_SETTINGS, "audio": {"input": audio, "output": {**audio, "container": "wav"}}}


@pytest.fixture
def words() -> list[bytes]:
    """The question in the input format of the default settings, word by word."""
    return list(spoken(QUESTION, AudioFormat()))


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """A second of loud stereo at 44.1 kHz."""
    samples = struct.pack("<2h", 9000, 9000) * 50 + struct.pack("<2h", -9000, -9000) * 50
    with wave.open(str(tmp_path / "studio.wav"), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes(samples * 441)
    return tmp_path / "studio.wav"
