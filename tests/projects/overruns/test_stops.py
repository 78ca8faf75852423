"""A test that is refused a session, one that runs beside it under xdist, and tests that are not to begin after it."""

import os
import time
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent

REFUSED = Path("refused")


def test_runs_on() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        deadline = time.monotonic() + 30
        while not REFUSED.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
    Path("ran-on").touch()


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="is not to begin on the other worker")
def test_is_next_there() -> None:
    Path("began").touch()


def test_is_refused(voice_agent: VoiceAgent) -> None:
    try:
        with voice_agent.connect():
            pass
    finally:
        REFUSED.touch()


@pytest.mark.parametrize("number", range(6))
def test_later(number: int) -> None:
    Path("began").touch()


def test_asks_later(voice_agent: VoiceAgent) -> None:
    Path("began").touch()
    with voice_agent.connect():
        pass
