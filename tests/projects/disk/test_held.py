from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_it(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
    Path("hold").touch()
    while not Path("held").exists():
        pass
    with voice_agent.connect():
        pass
