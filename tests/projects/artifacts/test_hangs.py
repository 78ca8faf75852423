"""A test that hangs."""

import time
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_hangs(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("last words")
        time.sleep(0.5)  # what passed is written within a few hundredths of a second
        Path("open").touch()
        time.sleep(60)
