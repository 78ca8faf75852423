import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("1s")
def test_talks_too_long(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Error", timeout="9s")
