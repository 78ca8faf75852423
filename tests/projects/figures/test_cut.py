import time

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("1s")
def test_overruns(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(1.5)
