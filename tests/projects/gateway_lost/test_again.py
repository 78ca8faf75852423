import signal
from collections.abc import Callable

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("n", range(8))
def test_dies(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None], n: int) -> None:
    signal_gateway(signal.SIGKILL)
