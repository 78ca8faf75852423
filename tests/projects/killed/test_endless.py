import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture(autouse=True)
def stuck() -> Iterator[None]:
    """A teardown that hangs where the environment says so."""
    yield
    if "STUCK" in os.environ:
        time.sleep(120)


@pytest.mark.parametrize("n", range(2))
def test_endless(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect():
        Path(f"pid-{os.getpid()}").touch()
        time.sleep(120)
