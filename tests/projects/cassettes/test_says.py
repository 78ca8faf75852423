"""Opens a session for each thing that SAID names, and says it there; HEARS=no: without waiting for the answer."""

import os

from pytest_dgbudget import VoiceAgent


def test_says(voice_agent: VoiceAgent) -> None:
    for text in os.environ["SAID"].split(","):
        with voice_agent.connect() as session:
            if os.environ.get("HEARS") == "no":
                session.send({"type": "InjectUserMessage", "content": text})
            else:
                session.say(text)
    assert "FAILS" not in os.environ
