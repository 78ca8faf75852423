"""A child that a test forks returns into pytest, and so runs the rest of the suite as well."""

import os
import signal
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


def test_forks(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            pytest.fail("the child's own verdict")
        _, status = os.waitpid(child, 0)
        Path("child").write_text(str(os.waitstatus_to_exitcode(status)), encoding="ascii")
        assert session.say("still here").reply


def test_after(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hello").reply
