"""Tests whose teardown fails."""

from collections.abc import Iterator

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def breaks_in_teardown() -> Iterator[None]:
    yield
    raise RuntimeError("teardown")


def test_breaks_in_teardown(breaks_in_teardown: None, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_fails_twice(breaks_in_teardown: None, voice_agent: VoiceAgent) -> None:
    print("my own output")
    with voice_agent.connect() as session:
        session.say("one")
    raise AssertionError
