"""Names of the standard library and of websockets that a test has replaced before its fixtures are set up."""

from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from pytest_dgbudget import VoiceAgent

FOR_A_START = (
    *("subprocess.Popen", "threading.Thread.start", "socket.socket"),
    *("builtins.open", "pathlib.Path.open", "pathlib.Path.mkdir"),
)


@pytest.fixture(
    params=[
        FOR_A_START,  # the first: the gateway starts among these
        ("websockets.asyncio.client.connect",),
    ]
)
def replaced(request: pytest.FixtureRequest) -> Iterator[list[mock.Mock]]:
    with ExitStack() as stack:
        yield [stack.enter_context(mock.patch(name)) for name in request.param]


def test_with_a_name_replaced(replaced: list[mock.Mock], voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply
    assert not [name for name in replaced if name.called]
