import time

from pytest_dgbudget import VoiceAgent


def test_short(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("one").reply == "about one"


def test_long(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(0.7)


def test_two_sessions(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as first, voice_agent.connect():
        time.sleep(0.3)
        first.close()
        time.sleep(0.2)
