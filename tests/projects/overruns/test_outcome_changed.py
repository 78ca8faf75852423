"""A test that was cut and that another plugin makes pass."""

import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent


@pytest.mark.dg_budget("1s")
def test_cut(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)
