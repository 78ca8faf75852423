import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def slow_to_end() -> Iterator[None]:
    yield
    Path(f"tearing-down-{os.getpid()}").touch()
    time.sleep(60)


@pytest.mark.parametrize("n", range(2))
def test_endless(voice_agent: VoiceAgent, slow_to_end: None, n: int) -> None:
    voice_agent.connect().__enter__()
    time.sleep(60)
