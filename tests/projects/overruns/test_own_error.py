"""A test that is cut and fails for a reason of its own."""

import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent

short = pytest.mark.dg_budget("1s")


@short
def test_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)
    raise AssertionError("own error")
