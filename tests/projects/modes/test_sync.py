"""A sync test, and one that uses nothing of ours."""

from pytest_dgbudget import VoiceAgent


def test_sync(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("one").reply == "about one"


def test_plain() -> None:
    pass
