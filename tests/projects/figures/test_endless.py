import time

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("n", range(4))
def test_endless(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect():
        time.sleep(60)
