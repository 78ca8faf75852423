"""Tests that fail with everything that they know in their tracebacks."""

import os
import time
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


def test_fails(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> None:
    everything = (
        dict(os.environ),
        vars(voice_agent),
        vars(request.config.stash[next(iter(request.config.stash._storage))]),
    )
    with voice_agent.connect() as session:
        endpoint = voice_agent.endpoint
        print(voice_agent, session, endpoint, everything)
        session.say("one")
        while not Path("go-on").exists():
            time.sleep(0.02)
        raise AssertionError


def test_refused(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(headers={"x-deepgram-no": "\u2713"}):
        pass


@pytest.mark.dg_budget("1s")
def test_cut(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)
