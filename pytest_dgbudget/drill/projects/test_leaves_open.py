from collections.abc import Callable

from pytest_dgbudget import VoiceAgent


def test_leaves_open(voice_agent: VoiceAgent, note: Callable[[str], None]) -> None:
    voice_agent.connect().__enter__()
    note("over")
