from pytest_dgbudget import VoiceAgent


def test_leaves_it_open(application: None, voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()


def test_never_runs(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
