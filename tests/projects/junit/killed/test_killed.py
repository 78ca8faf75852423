"""Tests that kill their worker, each in another phase."""

import os
from collections.abc import Iterator

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def killed_in_setup(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        os.kill(os.getpid(), 9)


@pytest.fixture
def killed_in_teardown(voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    os.kill(os.getpid(), 9)


def test_is_killed(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        os.kill(os.getpid(), 9)


def test_is_killed_in_setup(killed_in_setup: None) -> None:
    pass


def test_fails_and_is_killed_in_teardown(voice_agent: VoiceAgent, killed_in_teardown: None) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    raise AssertionError


def test_passes(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_is_killed_after_its_reports(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_is_killed_without_using_it() -> None:
    os.kill(os.getpid(), 9)
