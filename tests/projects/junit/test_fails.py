"""A test with a session fails."""

from pytest_dgbudget import VoiceAgent


def test_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    raise AssertionError
