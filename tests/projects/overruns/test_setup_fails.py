"""A setup that is cut and fails for a reason of its own."""

import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent

short = pytest.mark.dg_budget("1s")


@pytest.fixture
def swallows(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)


@pytest.fixture
def breaks(swallows: None) -> None:
    raise LookupError("own error")


@short
def test_it(breaks: None) -> None:
    pass
