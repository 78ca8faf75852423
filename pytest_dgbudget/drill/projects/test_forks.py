import ctypes
import signal
import time

from pytest_dgbudget import VoiceAgent


def test_forks(voice_agent: VoiceAgent) -> None:
    """The child has all connections of its parent, and Python, which did not fork it, closes none of them in it."""
    voice_agent.connect().__enter__()
    if ctypes.PyDLL(None).fork() == 0:
        signal.alarm(120)
    time.sleep(120)
