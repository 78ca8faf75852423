import signal
from collections.abc import Callable

import pytest

from pytest_dgbudget import SessionClosed, VoiceAgent


def test_has_one_open(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    with voice_agent.connect() as session:
        signal_gateway(signal.SIGTERM)
        with pytest.raises(SessionClosed, match="the gateway was told to end"):
            session.expect("Never")


def test_comes_next(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("SettingsApplied")
