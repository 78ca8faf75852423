import signal
from collections.abc import Callable

from pytest_dgbudget import VoiceAgent


def test_before(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("hi")


def test_after(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    signal_gateway(signal.SIGKILL)
    with voice_agent.connect() as session:
        assert session.say("hi").reply
