import os
from collections.abc import Iterator
from unittest import mock

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def cleared() -> Iterator[None]:
    with mock.patch.dict(os.environ, clear=True):
        yield


def test_cleared(cleared: None, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hello").reply
