from pytest_dgbudget import VoiceAgent


def test_failing(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("Hello?").reply == "what it does not say"
