import os
import time

from pytest_dgbudget import VoiceAgent


def test_before(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


def test_hangs(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(float(os.environ.get("HANGS", "60")))
