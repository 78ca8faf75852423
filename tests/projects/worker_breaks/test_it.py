import time
from collections.abc import Iterator

import pytest

from pytest_dgbudget import Session, VoiceAgent


@pytest.fixture
def session(voice_agent: VoiceAgent) -> Iterator[Session]:
    with voice_agent.connect() as session:
        yield session


def test_breaks(session: Session) -> None:
    time.sleep(0.3)


def test_other(session: Session) -> None:
    time.sleep(0.3)
