"""The vendor repeats the key in what it says of the session, and closes it."""

import time

from pytest_dgbudget import VoiceAgent


def test_is_told_the_key(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        time.sleep(0.5)
        session.say("hello")
