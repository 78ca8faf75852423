"""A test of each outcome; what is said names it."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


def recorded() -> Iterator[str]:
    for path in Path(".dgbudget").glob("run-*.recordings/*/*/session.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            yield path.read_text(encoding="utf-8")


def say(voice_agent: VoiceAgent, text: str) -> None:
    with voice_agent.connect() as session:
        session.say(text)


@pytest.fixture
def breaks_in_setup(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "setup")
    raise RuntimeError("setup")


@pytest.fixture
def breaks_in_teardown(voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    say(voice_agent, "from the teardown")
    raise RuntimeError("teardown")


def test_passes(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "passes")
    assert list(Path(".dgbudget").glob("run-*.recordings/*/*/session.jsonl"))
    assert not list(Path(".dgbudget").glob("run-*.recordings/*/*/*.wav"))


def test_leaves_nothing_of_what_passed(voice_agent: VoiceAgent) -> None:
    deadline = time.monotonic() + 5  # nobody waits for it
    while any("passes" in text for text in recorded()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        turn = session.say("call me at 555-1234-567, ask for Ms Miller")
        assert "refund" in turn.reply


def test_breaks_in_setup(breaks_in_setup: None) -> None:
    pass


def test_breaks_in_teardown(voice_agent: VoiceAgent, breaks_in_teardown: None) -> None:
    say(voice_agent, "from the test")


@pytest.mark.xfail
def test_is_expected_to_fail(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "expected")
    raise AssertionError


@pytest.mark.xfail(strict=True)
def test_passes_unexpectedly(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "unexpected")


def test_is_skipped(voice_agent: VoiceAgent) -> None:
    say(voice_agent, "skipped")
    pytest.skip("for a reason")


def test_fails_without_session(voice_agent: VoiceAgent) -> None:
    raise AssertionError


@pytest.mark.parametrize("name", ["größe/../x" + "y" * 200])
def test_fails_by_any_name(voice_agent: VoiceAgent, name: str) -> None:
    say(voice_agent, "by any name")
    raise AssertionError
