"""os.environ before, during and after a test with the fixture; the real key is in key.txt."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget import VoiceAgent

REAL = Path("key.txt").read_text(encoding="utf-8") or None
seen: dict[str, Any] = {}


@pytest.fixture
def around() -> Iterator[None]:
    seen["before"] = (os.environ.get("DEEPGRAM_API_KEY"), os.environ.get("DGBUDGET_ACTIVE"))
    yield
    seen["after"] = (os.environ.get("DEEPGRAM_API_KEY"), os.environ.get("DGBUDGET_ACTIVE"))


def test_during(around: None, voice_agent: VoiceAgent) -> None:
    environ = voice_agent.endpoint.environ
    seen["token"] = voice_agent.endpoint.api_key
    assert os.environ["DEEPGRAM_API_KEY"] == voice_agent.endpoint.api_key == environ["DEEPGRAM_API_KEY"]
    assert os.environ["DGBUDGET_ACTIVE"] == "the-run" == environ["DGBUDGET_ACTIVE"]
    assert environ["DGBUDGET_AGENT_URL"] == voice_agent.endpoint.agent_url
    assert environ["DGBUDGET_BASE_URL"] == voice_agent.endpoint.base_url
    assert environ["DGBUDGET_TARGET"] == voice_agent.target == os.environ["DGBUDGET_TARGET"]
    assert os.environ["DGBUDGET_AGENT_URL"] == voice_agent.endpoint.agent_url
    assert seen["token"] not in repr(voice_agent.endpoint) + repr(voice_agent)
    assert REAL not in (seen["token"], *os.environ.values())


def test_put_back() -> None:
    assert seen["before"] == seen["after"] == (REAL, None)
    assert (os.environ.get("DEEPGRAM_API_KEY"), os.environ.get("DGBUDGET_ACTIVE")) == (REAL, None)


def test_every_test_has_a_token_of_its_own(voice_agent: VoiceAgent) -> None:
    assert voice_agent.endpoint.api_key != seen["token"]


def test_changes(voice_agent: VoiceAgent) -> None:
    os.environ["DEEPGRAM_API_KEY"] = "the test's own"
    del os.environ["DGBUDGET_ACTIVE"]


def test_a_change_of_the_tests_own_stays() -> None:
    assert os.environ["DEEPGRAM_API_KEY"] == "the test's own"
    assert "DGBUDGET_ACTIVE" not in os.environ


def test_what_the_test_left_is_put_back_next_time(voice_agent: VoiceAgent) -> None:
    assert os.environ["DEEPGRAM_API_KEY"] == voice_agent.endpoint.api_key


def test_it_is() -> None:
    assert os.environ["DEEPGRAM_API_KEY"] == "the test's own"
