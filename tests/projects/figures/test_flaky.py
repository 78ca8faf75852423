import time

from pytest_dgbudget import VoiceAgent


def test_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(0.2)
        raise AssertionError
