import os

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("n", range(int(os.environ["TESTS"])))
def test_it(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect():
        pass
