"""What keeps one test from starting the gateway is gone in the next one."""

from collections.abc import Iterator
from unittest import mock

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def no_processes() -> Iterator[None]:
    with mock.patch("os.pipe", side_effect=OSError("no")):
        yield


def test_in_a_world_without_processes(no_processes: None, voice_agent: VoiceAgent) -> None:
    raise AssertionError("its fixture fails")


@pytest.fixture
def no_calls_to_loops() -> Iterator[None]:
    with mock.patch("asyncio.run_coroutine_threadsafe", side_effect=RuntimeError):
        yield


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_in_a_world_in_which_no_gateway_can_be_joined(no_calls_to_loops: None, voice_agent: VoiceAgent) -> None:
    raise AssertionError("its fixture fails")


def test_in_the_next_world(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply
