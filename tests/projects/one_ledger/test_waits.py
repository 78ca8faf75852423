import time
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_waits(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        while not Path("go-on").exists():
            time.sleep(0.01)
