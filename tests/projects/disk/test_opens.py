from pytest_dgbudget import VoiceAgent


def test_opens(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
