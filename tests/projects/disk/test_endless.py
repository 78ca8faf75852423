import time

from pytest_dgbudget import VoiceAgent


def test_first(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


def test_endless(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(120)
