"""A session that goes on until its pytest is killed."""

import time
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_hangs(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("hello")
        Path("open").touch()
        time.sleep(60)
