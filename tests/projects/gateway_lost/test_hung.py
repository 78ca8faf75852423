import signal
import time
from collections.abc import Callable
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_hangs(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    with voice_agent.connect():
        signal_gateway(signal.SIGSTOP)
        until = time.monotonic() + 15
        while not Path("go-on").exists() and time.monotonic() < until:
            time.sleep(0.01)


def test_after(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "about hi"
