"""A session, and then an internal error of pytest."""

from pytest_dgbudget import VoiceAgent


def test_says(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
