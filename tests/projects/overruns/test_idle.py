"""Sessions that are idle, and some that only look so."""

import time

import pytest

from pytest_dgbudget import SessionClosed, VoiceAgent


@pytest.mark.dg_budget(idle="600ms")
def test_forgotten(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        with pytest.raises(SessionClosed) as caught:
            for _ in range(200):
                session.send({"type": "KeepAlive"})
                time.sleep(0.05)
        assert (caught.value.code, caught.value.closed_by) == (4408, "idle")
        assert session.usage.seconds < 5


@pytest.mark.dg_budget(idle="off")
def test_never(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        time.sleep(0.8)
        session.say("one")


@pytest.mark.dg_budget(idle="600ms")
def test_moving(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        for _ in range(12):
            time.sleep(0.1)
            session.send(bytes(960))
        session.say("one")


@pytest.mark.dg_budget(idle="600ms")
def test_function(voice_agent: VoiceAgent) -> None:
    headers = {"x-deepgram-scene": "calls"}
    with voice_agent.connect(headers=headers) as session:

        @session.on_function("lookup")
        def lookup() -> str:
            time.sleep(1.2)
            return "slow"

        assert session.say("lookup {}").reply == "the answer is slow"
        with pytest.raises(SessionClosed):
            session.expect("Never", timeout=5)
