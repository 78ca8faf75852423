"""Names of the standard library and of websockets that a test has replaced before its fixtures are set up."""

from collections.abc import Iterator
from unittest import mock

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture(
    params=["subprocess.Popen", "threading.Thread.start", "socket.socket", "websockets.asyncio.client.connect"]
)
def replaced(request: pytest.FixtureRequest) -> Iterator[mock.Mock]:
    with mock.patch(request.param) as replaced:
        yield replaced


def test_with_a_name_replaced(replaced: mock.Mock, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply
    assert not replaced.called
