"""A test that two workers at a time can't run within one budget."""

import time

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("2s")
def test_it(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(1.2)
