import re

from pytest_dgbudget import VoiceAgent


def test_regex(voice_agent: VoiceAgent) -> None:
    """Tries 2⁶⁴ ways to divide the text, and lets no other thread run meanwhile."""
    with voice_agent.connect():
        re.match(r"(a+)+$", "a" * 64 + "b")
