import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("2s")
def test_opens(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
