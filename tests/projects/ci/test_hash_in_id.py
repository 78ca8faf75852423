import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("greeting", ['quote\'s "and" #1'])
def test_greets(voice_agent: VoiceAgent, greeting: str) -> None:
    with voice_agent.connect() as session:
        session.say(greeting)
