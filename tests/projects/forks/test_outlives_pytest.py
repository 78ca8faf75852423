import time
from collections.abc import Callable

from pytest_dgbudget import VoiceAgent


def test_forks(voice_agent: VoiceAgent, begin_child: Callable[[], None]) -> None:
    voice_agent.connect().__enter__()
    begin_child()
    time.sleep(60)
