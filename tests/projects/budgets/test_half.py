import time

from pytest_dgbudget import VoiceAgent


def test_one(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(1.2)
