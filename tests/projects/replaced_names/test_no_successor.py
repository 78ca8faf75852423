"""What keeps one test from joining a gateway, or the successor of one that died, is gone in the next one."""

import signal
from collections.abc import Callable, Iterator
from unittest import mock

import pytest

from pytest_dgbudget import GatewayError, VoiceAgent


@pytest.fixture
def no_threads() -> Iterator[None]:
    with mock.patch("threading.Event", side_effect=OSError("no")):
        yield


def test_in_a_world_without_threads(no_threads: None, voice_agent: VoiceAgent) -> None:
    raise AssertionError("its fixture fails, and the gateway has been started")


def test_in_a_world_without_processes(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    with voice_agent.connect():
        pass
    with mock.patch("os.pipe", side_effect=LookupError("no")):
        signal_gateway(signal.SIGKILL)
        with pytest.raises(GatewayError), voice_agent.connect():
            pass


def test_in_the_next_world(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
