"""No emulated answer comes within a millisecond at pace vendor, and at pace max that says nothing."""

from __future__ import annotations

import pytest

from pytest_dgbudget import VoiceAgent

pytestmark = pytest.mark.dg_latency(p95="1ms")


def test_at_pace_max(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hello").reply


@pytest.mark.dg_latency(turns=9)
def test_at_pace_max_without_a_session() -> None:
    pass


@pytest.mark.dg_scenario(pace="vendor")
def test_at_pace_vendor(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hello").reply
