"""A test that fails once its gateway is gone."""

import time
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_passes(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_loses_its_gateway(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        Path("open").touch()
        while not Path("killed").exists():
            time.sleep(0.01)
        raise AssertionError
