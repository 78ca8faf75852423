from pytest_dgbudget import VoiceAgent


def test_passes(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("one").reply == "about one"


def test_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        raise AssertionError


def test_is_not_reached(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
