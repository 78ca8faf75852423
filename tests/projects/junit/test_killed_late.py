"""A test that kills its worker after our fixture's end."""

import os
from collections.abc import Iterator

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def killed_after() -> Iterator[None]:
    yield
    os.kill(os.getpid(), 9)


def test_is_killed(killed_after: None, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
