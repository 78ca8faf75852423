"""A test that ends the run, and asks for exit status 1 although no test failed."""

import pytest

from pytest_dgbudget import VoiceAgent


def test_ends(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
    pytest.exit("done", returncode=1)
