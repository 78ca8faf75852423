"""Tests that are cut and expected to fail."""

import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent

short = pytest.mark.dg_budget("1s")


@short
@pytest.mark.xfail(strict=True)
def test_strict(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)


@short
@pytest.mark.xfail
def test_loose(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)
