from pytest_dgbudget import VoiceAgent


def test_waits(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("NoSuchMessage", timeout=60)
