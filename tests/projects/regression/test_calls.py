"""Calls of as many turns as TURNS says."""

import os

import pytest

from pytest_dgbudget import VoiceAgent

TURNS = int(os.environ["TURNS"])


@pytest.mark.parametrize("call", range(4))
def test_call(voice_agent: VoiceAgent, call: int) -> None:
    with voice_agent.connect() as session:
        for _ in range(TURNS):
            session.say(f"This is call {call}. Are you open today?")
