import os
import signal
import time

from pytest_dgbudget import VoiceAgent


def test_kills_its_worker(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)


def test_other(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(1)
