import signal
import time
from collections.abc import Callable

from pytest_dgbudget import VoiceAgent


def test_kills(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    with voice_agent.connect():
        time.sleep(0.3)
        signal_gateway(signal.SIGKILL)
