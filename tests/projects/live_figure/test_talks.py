"""Tests during which there is time to look, and many between them."""

import time

import pytest

from pytest_dgbudget import VoiceAgent

# The figure is drawn every second.
SECONDS = 1.3


@pytest.mark.parametrize("n", range(2))
def test_talks(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect():
        time.sleep(SECONDS)
    print("captured")


@pytest.mark.parametrize("n", range(60))
def test_is_quick(n: int) -> None:
    print("captured")


def test_prints_past_the_capture(voice_agent: VoiceAgent, capsys: pytest.CaptureFixture[str]) -> None:
    with voice_agent.connect():
        time.sleep(SECONDS)
        with capsys.disabled():
            print("\npast the capture", end="", flush=True)
        time.sleep(SECONDS)


@pytest.mark.xfail
def test_talks_and_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(SECONDS)
        raise AssertionError
