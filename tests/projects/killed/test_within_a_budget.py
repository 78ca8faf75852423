import time

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("1.5s")
@pytest.mark.parametrize("n", range(2))
def test_endless(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect():
        time.sleep(120)
