"""Each test has a scenario of its own, or none."""

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_scenario("orders.toml")
def test_first(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("Where is my ORDER?").reply == "It is on its way."


@pytest.mark.dg_scenario("orders.toml", name="lost")
def test_named(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("order 17").reply == "I can't find 17."


def test_none(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("order 17").reply == "You said: order 17"
