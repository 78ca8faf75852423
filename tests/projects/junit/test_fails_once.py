"""A test whose second attempt passes."""

from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_fails_once(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    if not Path("again").exists():
        Path("again").touch()
        raise AssertionError
