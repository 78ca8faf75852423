from pytest_dgbudget import VoiceAgent


def test_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        raise AssertionError
