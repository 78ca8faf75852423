"""The first of four tests fails."""

from pytest_dgbudget import VoiceAgent


def test_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    raise AssertionError


def test_passes(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_passes_too(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_passes_last(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
