"""Names that a test replaces for the code under test: our threads run beside it, with a session or without one."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from pytest_dgbudget import VoiceAgent

NAMES = [
    *("json.loads", "json.dumps", "os.urandom", "asyncio.run_coroutine_threadsafe", "asyncio.ensure_future"),
    *("socket.socket.recv", "socket.socket.send"),
]
NEEDED_BY_WEBSOCKETS = {"os.urandom"}
wait = threading.Event().wait


class NoError(Exception):
    """What nobody expects."""


@contextmanager
def replaced(names: list[str], effect: type[Exception] | None) -> Iterator[None]:
    with ExitStack() as stack:
        mocks = [stack.enter_context(mock.patch(name, side_effect=effect)) for name in names]
        yield
    assert not [each for each in mocks if each.called]


def test_first(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


def test_beside_no_session() -> None:
    with replaced(NAMES, NoError):
        wait(1)  # the gateway's heartbeats come twice in this time


def test_within_a_session(voice_agent: VoiceAgent) -> None:
    names = [name for name in NAMES if name not in NEEDED_BY_WEBSOCKETS]
    with replaced(names, None), voice_agent.connect() as session:
        assert session.say("hi").reply


def test_last(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
