import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_scenario(pace="max")
def test_below(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
