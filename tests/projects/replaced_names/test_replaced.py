"""Names of the standard library and of websockets that a test has replaced before its fixtures are set up."""

from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from pytest_dgbudget import VoiceAgent

FOR_A_START = [  # the first: the gateway starts among these
    *("subprocess.Popen", "threading.Thread.start", "threading.Thread", "secrets.token_hex"),
    *("socket.socket", "socket.gethostname", "os.getpid", "os.kill"),
    *("builtins.open", "pathlib.Path.open", "pathlib.Path.mkdir"),
]
LATER = ["websockets.asyncio.client.connect"]


@pytest.fixture
def replaced(request: pytest.FixtureRequest) -> Iterator[None]:
    with ExitStack() as stack:
        mocks = [stack.enter_context(mock.patch(name)) for name in request.param]
        yield
    assert not [each for each in mocks if each.called]


@pytest.mark.parametrize("replaced", [FOR_A_START, LATER], indirect=True)
def test_with_names_replaced(replaced: None, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply
