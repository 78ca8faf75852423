import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("1.5s")
def test_is_debugged(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
    breakpoint()
