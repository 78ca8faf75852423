import signal
from collections.abc import Callable

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_target("emulator")
@pytest.mark.dg_scenario("played.toml")
def test_goes_on(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    signal_gateway(signal.SIGKILL)
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "as written"
