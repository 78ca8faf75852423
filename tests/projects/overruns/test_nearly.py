"""A session of four and a half seconds."""

import time

from pytest_dgbudget import VoiceAgent


def test_talks(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(4.5)
