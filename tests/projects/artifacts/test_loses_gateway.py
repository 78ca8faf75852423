"""A test that fails after its gateway was killed."""

import time
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_loses_its_gateway(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("before the end")
        time.sleep(0.5)  # what passed is written within a few hundredths of a second
        Path("open").touch()
        while not Path("killed").exists():
            time.sleep(0.01)
        raise AssertionError
