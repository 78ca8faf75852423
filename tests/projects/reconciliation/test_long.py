from pytest_dgbudget import VoiceAgent


def test_long(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Nothing")
