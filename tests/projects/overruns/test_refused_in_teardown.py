"""A test whose teardown is refused a session."""

from collections.abc import Iterator

import pytest

from pytest_dgbudget import BudgetExhausted, VoiceAgent


@pytest.fixture
def refused_in_teardown(voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    with pytest.raises(BudgetExhausted):
        voice_agent.connect().__enter__()


def test_it(refused_in_teardown: None) -> None:
    pass
