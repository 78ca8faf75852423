import time

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("n", range(12))
def test_wants_two_seconds(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect():
        time.sleep(1.2)
