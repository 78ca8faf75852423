"""Names of the standard library and of websockets that a test has replaced before its fixtures are set up."""

from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from pytest_dgbudget import VoiceAgent

BEFORE_THE_FIRST_SESSION = [
    *("subprocess.Popen", "threading.Thread", "secrets.token_hex", "builtins.open", "socket.gethostname"),
    *("os.getpid", "websockets.asyncio.client.connect"),
]
LATER = ["threading.Thread.start", "socket.socket", "os.kill"]


@pytest.fixture
def replaced(request: pytest.FixtureRequest) -> Iterator[None]:
    with ExitStack() as stack:
        mocks = [stack.enter_context(mock.patch(name)) for name in request.param]
        yield
    assert not [each for each in mocks if each.called]


@pytest.mark.parametrize("replaced", [BEFORE_THE_FIRST_SESSION, LATER], indirect=True)
def test_with_names_replaced(replaced: None, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
