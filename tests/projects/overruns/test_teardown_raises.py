"""Fixtures whose teardown raises what pytest does not expect there: it loses all finalizers that come after."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture(params=[asyncio.CancelledError, SystemExit], ids=["cancelled", "exit"])
def app(request: pytest.FixtureRequest, voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    raise request.param


@pytest.mark.usefixtures("app")
def test_app(voice_agent: VoiceAgent) -> None:
    session = voice_agent.connect().__enter__()
    session.say("the application stays connected")


def test_without() -> None:
    assert not os.environ.get("DEEPGRAM_API_KEY", "").startswith("dgb_")


@pytest.mark.dg_budget("1s")
def test_next(voice_agent: VoiceAgent) -> None:
    assert voice_agent.remaining == 1
