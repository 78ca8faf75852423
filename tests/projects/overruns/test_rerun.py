"""A test that is cut in its first attempt."""

import time
from pathlib import Path

import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent


@pytest.mark.dg_budget("3s")
def test_it(voice_agent: VoiceAgent) -> None:
    if Path("ran").exists():
        return
    Path("ran").touch()
    with voice_agent.connect() as session:
        time.sleep(1.9)
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)
