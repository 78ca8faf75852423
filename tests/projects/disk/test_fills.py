from pathlib import Path

from pytest_dgbudget import DgBudgetError, VoiceAgent


def test_first(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


def test_fills(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
    Path("fill").touch()
    while not Path("full").exists():
        pass
    try:
        for _ in range(100):
            voice_agent.connect().__enter__().close()
    except DgBudgetError:
        pass
    while not Path("closed").exists():
        pass
    voice_agent.connect().__enter__()
