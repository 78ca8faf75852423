import time

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("n", range(3))
def test_one(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect():
        time.sleep(0.4)
