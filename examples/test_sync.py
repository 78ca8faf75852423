"""The same fixture in a plain test function: no async, no decorator."""

from pytest_dgbudget import VoiceAgent


def test_sync(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("Hello!").reply

    assert voice_agent.usage.sessions == 1
