import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("200ms")
def test_overrun(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        while True:
            session.say("And then?")
