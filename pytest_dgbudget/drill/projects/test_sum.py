from pytest_dgbudget import VoiceAgent


def test_sum(voice_agent: VoiceAgent) -> None:
    """One call into C that takes months, and lets no other thread run meanwhile."""
    with voice_agent.connect():
        sum(range(10**15))
