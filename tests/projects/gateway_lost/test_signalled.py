import signal
from collections.abc import Callable

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP])
def test_goes_on(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None], sent: signal.Signals) -> None:
    with voice_agent.connect() as session:
        signal_gateway(sent)
        assert session.say("hi").reply == "about hi"
