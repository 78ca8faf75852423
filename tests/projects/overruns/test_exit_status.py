"""A refused test, one that fails, one whose setup does."""

import pytest

from pytest_dgbudget import VoiceAgent

none = pytest.mark.dg_budget(0)


@none
def test_refused(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


def test_fails(voice_agent: VoiceAgent) -> None:
    raise AssertionError


@pytest.fixture
def broken() -> None:
    raise LookupError


def test_broken(broken: None) -> None:
    pass
