"""A test that stops in a debugger, with time to look before it and after it."""

import time

from pytest_dgbudget import VoiceAgent

SECONDS = 1.3


def test_stops(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(SECONDS)
        breakpoint()
        time.sleep(SECONDS)
