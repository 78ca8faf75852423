"""A fixture after ours fails in setup."""

import os

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def broken(voice_agent: VoiceAgent) -> None:
    raise LookupError


def test_1(broken: None) -> None:
    pass


def test_2() -> None:
    assert "DEEPGRAM_API_KEY" not in os.environ
    assert "DGBUDGET_ACTIVE" not in os.environ
