"""Fixtures whose setup or teardown raises what pytest does not expect: it loses all finalizers that come after."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from pytest_dgbudget import VoiceAgent

_THE_PROCESS_TOKEN = os.environ["DEEPGRAM_API_KEY"]


@pytest.fixture(params=[asyncio.CancelledError, SystemExit], ids=["cancelled", "exit"])
def app(request: pytest.FixtureRequest, voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    raise request.param


@pytest.mark.usefixtures("app")
def test_app(voice_agent: VoiceAgent) -> None:
    session = voice_agent.connect().__enter__()
    session.say("the application stays connected")


@pytest.fixture
def app_that_is_cancelled(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
    raise asyncio.CancelledError


@pytest.fixture
def app_that_exits(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
    raise SystemExit


def test_cancelled(app_that_is_cancelled: None) -> None:
    raise AssertionError("its fixture fails")


def test_exits(app_that_exits: None) -> None:
    raise AssertionError("its fixture fails")


def test_without() -> None:
    assert os.environ["DEEPGRAM_API_KEY"] == _THE_PROCESS_TOKEN


@pytest.mark.dg_budget("1s")
def test_next(voice_agent: VoiceAgent) -> None:
    assert voice_agent.remaining == 1
