"""Scenarios with faults."""

import pytest

from pytest_dgbudget import HandshakeRefused, SessionClosed, VoiceAgent


@pytest.mark.dg_scenario("broken.toml")
def test_gone(voice_agent: VoiceAgent) -> None:
    for _ in range(2):
        with pytest.raises(SessionClosed), voice_agent.connect() as session:
            session.expect("Nothing")


@pytest.mark.dg_scenario("broken.toml", name="closed")
def test_closed(voice_agent: VoiceAgent) -> None:
    with pytest.raises(HandshakeRefused), voice_agent.connect():
        pass


def test_neither(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
