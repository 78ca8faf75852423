"""Tests of every outcome."""

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def breaks_in_setup(voice_agent: VoiceAgent) -> None:
    raise RuntimeError("setup")


def test_passes(voice_agent: VoiceAgent) -> None:
    print("my own output")
    with voice_agent.connect() as session:
        session.say("one")
    with voice_agent.connect() as session:
        session.say("one")


def test_fails(voice_agent: VoiceAgent) -> None:
    print("my own output")
    with voice_agent.connect() as session:
        session.say("one")
    raise AssertionError


def test_fails_without_session(voice_agent: VoiceAgent) -> None:
    raise AssertionError


def test_breaks_in_setup(voice_agent: VoiceAgent, breaks_in_setup: None) -> None:
    pass


def test_is_skipped(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    pytest.skip("for a reason")


def test_is_expected_to_fail(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    pytest.xfail("for a reason")


@pytest.mark.xfail(strict=True)
def test_passes_unexpectedly(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


@pytest.mark.dg_budget("off")
def test_unlimited(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


@pytest.mark.dg_budget(0)
def test_is_refused(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_does_not_use_it() -> None:
    pass


def test_does_not_use_it_and_fails() -> None:
    print("my own output")
    raise AssertionError
