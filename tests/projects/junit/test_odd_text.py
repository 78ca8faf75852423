"""Ids and messages with text that XML can't hold, or only in other words."""

import pytest

from pytest_dgbudget import VoiceAgent

ODD = ["\x1b[31mred", "nul\x00", "no character\ufffe", "]]>&<\"'", "x" * 5000]


@pytest.mark.parametrize("text", ODD, ids=lambda text: text)
def test_odd(voice_agent: VoiceAgent, text: str) -> None:
    with voice_agent.connect():
        pass
    raise AssertionError(text)
