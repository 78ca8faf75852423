"""Emulated sessions at the run's pace, and one that has its own."""

import time

import pytest

from pytest_dgbudget import ExpectTimeout, VoiceAgent

LONG = "This is quite a long sentence, and it takes a while to say all of it aloud."
LEAST_LIVE = 1.0  # seconds: the agent thinks that long


def test_talks(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say(LONG)


@pytest.mark.dg_scenario(pace="vendor")
def test_waits_as_live(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        began = time.monotonic()
        session.say("Hello.")
        assert time.monotonic() - began > LEAST_LIVE


@pytest.mark.dg_budget("2s")
def test_would_not_fit(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        for _ in range(3):
            session.say(LONG)


@pytest.mark.dg_budget("2s")
@pytest.mark.xfail(reason="talks until it is cut", strict=True)
def test_is_cut(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        while True:
            session.say(LONG)


def test_stops_sending(voice_agent: VoiceAgent) -> None:
    """A client that stops after its words, as many do: the agent never takes the turn, here as live."""
    speech = b"".join(((-1) ** (n // 60) * 9000).to_bytes(2, "little", signed=True) for n in range(24_000))
    with voice_agent.connect() as session:
        session.expect("AgentAudioDone")
        session.send_audio(speech, trailing=0)
        session.expect("UserStartedSpeaking")
        with pytest.raises(ExpectTimeout, match=r"the user's turn has not ended: the last audio was sent \d\.\d s ago"):
            session.expect("ConversationText", role="user", timeout="1500ms")
        raise AssertionError("as its client would")
