"""A test whose fixture is refused a session."""

from collections.abc import Iterator

import pytest

from pytest_dgbudget import Session, VoiceAgent

none = pytest.mark.dg_budget(0)


@pytest.fixture
def session(voice_agent: VoiceAgent) -> Iterator[Session]:
    with voice_agent.connect() as session:
        yield session


@none
def test_it(session: Session) -> None:
    pass
