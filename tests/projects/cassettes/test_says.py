"""Opens a session for each thing that SAID names, and says it there."""

import os

from pytest_dgbudget import VoiceAgent


def test_says(voice_agent: VoiceAgent) -> None:
    for text in os.environ["SAID"].split(","):
        with voice_agent.connect() as session:
            session.say(text)
    assert "FAILS" not in os.environ
