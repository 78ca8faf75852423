from collections.abc import Iterator

import pytest

from pytest_dgbudget import Session, VoiceAgent


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def session(voice_agent: VoiceAgent) -> Iterator[Session]:
    session = voice_agent.connect().__enter__()
    interrupt()
    yield session
    session.close()


def test_it(session: Session) -> None:
    pass
