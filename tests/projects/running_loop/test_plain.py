from pytest_dgbudget import VoiceAgent


def test_plain(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hello").reply
