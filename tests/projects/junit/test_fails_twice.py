"""Tests whose second attempt differs from the first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def breaks_in_teardown() -> Iterator[None]:
    yield
    raise RuntimeError("teardown")


@pytest.fixture
def breaks_in_setup_again() -> None:
    if Path("again").exists():
        raise RuntimeError("setup")


def test_fails_twice(breaks_in_teardown: None, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    raise AssertionError


def test_never_gets_it_again(breaks_in_setup_again: None, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    Path("again").touch()
    raise AssertionError
