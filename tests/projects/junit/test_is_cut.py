"""A test that is cut, one that is refused, and one that passes."""

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("1s")
def test_is_cut(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)


@pytest.mark.dg_budget("0s")
def test_is_refused(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()


def test_passes(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
