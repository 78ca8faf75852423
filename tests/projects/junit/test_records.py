"""A test that records a property of its own."""

from collections.abc import Callable

from pytest_dgbudget import VoiceAgent


def test_records(voice_agent: VoiceAgent, record_property: Callable[[str, object], None]) -> None:
    record_property("mine", 1)
    with voice_agent.connect() as session:
        session.say("one")
