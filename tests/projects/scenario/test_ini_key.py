"""The ini key's scenario, and another of the same file."""

import pytest

from pytest_dgbudget import VoiceAgent


def test_of_the_ini_key(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("where is my order?").reply == "It is on its way."


@pytest.mark.dg_scenario(name="lost")
def test_of_the_same_file(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("order 5").reply == "I can't find 5."
