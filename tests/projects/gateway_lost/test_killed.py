import signal
from collections.abc import Callable

import pytest

from pytest_dgbudget import GatewayError, VoiceAgent


def test_before(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("hi")


def test_loses_its_gateway(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    with voice_agent.connect() as session:
        signal_gateway(signal.SIGKILL)
        with pytest.raises(GatewayError, match="charged"):
            session.say("are you there?")
    with pytest.raises(GatewayError, match="can open nothing more"):
        voice_agent.connect().__enter__()


def test_after(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "about hi"
