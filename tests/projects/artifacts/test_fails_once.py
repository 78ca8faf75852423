"""Tests whose attempts differ."""

import os
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_fails_once(voice_agent: VoiceAgent) -> None:
    again = Path("again").exists()
    with voice_agent.connect() as session:
        session.say("second time" if again else "first time")
    Path("again").touch()
    assert again


def test_is_killed(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("last words")
        if "PYTEST_XDIST_WORKER" in os.environ:
            os.kill(os.getpid(), 9)
