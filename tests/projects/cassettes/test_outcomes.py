"""A test of each outcome, in a run that records; what is said names it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


def say(voice_agent: VoiceAgent, text: str) -> None:
    with voice_agent.connect() as session:
        session.say(text)


def test_passes(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "passes")


def test_has_two_sessions(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "the first")
    say(voice_agent, "the second")


def test_leaves_a_session_to_its_teardown(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__().say("left open")


def test_opens_nothing(voice_agent: VoiceAgent) -> None:
    pass


def test_fails(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "fails")
    raise AssertionError


@pytest.fixture
def breaks_in_teardown() -> Iterator[None]:
    yield
    raise RuntimeError("teardown")


def test_breaks_in_teardown(voice_agent: VoiceAgent, breaks_in_teardown: None) -> None:
    say(voice_agent, "breaks in its teardown")


@pytest.mark.dg_budget("1s")
def test_overruns(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Error", timeout=30)


@pytest.mark.xfail
def test_is_expected_to_fail(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "expected")
    raise AssertionError


@pytest.mark.xfail
def test_passes_unexpectedly(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "unexpected")


def test_is_skipped(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "skipped")
    pytest.skip("for a reason")


@pytest.mark.dg_target("emulator")
def test_speaks_to_the_emulator(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "emulated")


def test_passes_the_second_time(voice_agent: VoiceAgent) -> None:
    again = Path("again").exists()
    say(voice_agent, "the second time" if again else "the first time")
    Path("again").touch()
    assert again
