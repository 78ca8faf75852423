import pytest

from pytest_dgbudget import VoiceAgent
from pytest_dgbudget.plugin.scrub_hook import scrubber_of


@pytest.mark.dg_scenario(pace="max")
def test_talks(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.fault("bill-wrong", factor=1000)
    with voice_agent.connect() as session:
        session.say("Where is my order?")
        session.say("Thanks.")


@pytest.mark.dg_budget("1s")
def test_is_cut(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Error", timeout="9s")


def test_scrubs(pytestconfig: pytest.Config) -> None:
    scrub = scrubber_of(pytestconfig)
    assert scrub is not None
    assert scrub("Ada asks") == "[name] asks"


def test_opens_nothing(voice_agent: VoiceAgent) -> None:
    assert voice_agent.usage.sessions == 0
