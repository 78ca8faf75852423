"""A test of a live run that speaks to the emulator for longer than it may."""

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_target("emulator")
@pytest.mark.dg_budget("1s")
def test_emulated(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("never")
