"""Tests that kill their worker and are run again."""

import os
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_is_killed_once(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    if not Path("again").exists():
        Path("again").touch()
        os.kill(os.getpid(), 9)


def test_is_always_killed(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        os.kill(os.getpid(), 9)
