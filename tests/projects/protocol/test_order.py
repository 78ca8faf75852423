"""A session whose messages are in order, and one in which a second Welcome comes."""

import pytest

from pytest_dgbudget import ProtocolViolated, VoiceAgent


def test_in_order(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("Hello.")
        session.check_protocol()


@pytest.mark.dg_scenario("twice.toml")
def test_out_of_order(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.check_protocol()
        session.say("Hello.")
        with pytest.raises(ProtocolViolated, match=r"session \S+, \S+ after its dial: a second Welcome came") as caught:
            session.check_protocol()
        assert len(caught.value.violations) == 1
