"""Tests with targets of their own."""

import os

import pytest

from pytest_dgbudget import VoiceAgent
from pytest_dgbudget.errors import SettingsError


def test_of_the_run(voice_agent: VoiceAgent) -> None:
    assert voice_agent.target == os.environ["EXPECTED"]
    with voice_agent.connect() as session:
        session.say("one")


@pytest.mark.dg_target("emulator")
@pytest.mark.dg_budget("90s")
def test_emulated(voice_agent: VoiceAgent) -> None:
    assert voice_agent.target == "emulator"
    assert voice_agent.remaining == 90  # more than the run has
    with voice_agent.connect() as session, voice_agent.connect():
        session.say("one")
    assert len(voice_agent.emulator.journal()) > 1
    assert voice_agent.usage.sessions == 2


@pytest.mark.dg_target("live")
def test_live(voice_agent: VoiceAgent) -> None:
    with pytest.raises(SettingsError, match=r'mark it @pytest\.mark\.dg_target\("emulator"\)'):
        voice_agent.emulator.fault("drop")


@pytest.mark.dg_target("live")
class TestNearest:
    @pytest.mark.dg_target("emulator")
    def test_emulated_too(self, voice_agent: VoiceAgent) -> None:
        assert voice_agent.target == "emulator"
