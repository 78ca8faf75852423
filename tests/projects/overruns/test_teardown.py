"""Tests that are cut or refused in teardown."""

from collections.abc import Iterator

import pytest

from pytest_dgbudget import BudgetExceeded, BudgetExhausted, VoiceAgent

short = pytest.mark.dg_budget("1s")
none = pytest.mark.dg_budget(0)


@pytest.fixture
def cut_in_teardown(voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)


@pytest.fixture
def refused_in_teardown(voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    with pytest.raises(BudgetExhausted), voice_agent.connect():
        pass


@short
def test_cut(cut_in_teardown: None) -> None:
    pass


@none
def test_refused(refused_in_teardown: None) -> None:
    pass
