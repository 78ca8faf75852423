from pytest_dgbudget import VoiceAgent


def test_within(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
