"""A test with a session."""

from pytest_dgbudget import VoiceAgent


def test_uses(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
