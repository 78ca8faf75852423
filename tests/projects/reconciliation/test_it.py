import time

import pytest

from pytest_dgbudget import VoiceAgent


def test_one(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("one").reply


@pytest.mark.parametrize("n", range(2))
def test_more(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect(tags=["smoke"]):
        time.sleep(0.1)
