import time
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("2s")
def test_overruns(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        Path("stepped").touch()
        time.sleep(3)
