import os
import signal
from collections.abc import Callable

from pytest_dgbudget import VoiceAgent


def test_forks(voice_agent: VoiceAgent, begin_child: Callable[[], None], child_pid: Callable[[], int]) -> None:
    voice_agent.connect().__enter__()
    begin_child()
    child_pid()


def test_after(voice_agent: VoiceAgent, child_pid: Callable[[], int]) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "about hi"
    os.kill(child_pid(), signal.SIGKILL)
