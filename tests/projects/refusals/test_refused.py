"""Each test fails, so that its report shows what its client was refused for."""

import threading
from collections.abc import Iterator, Mapping

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from pytest_dgbudget import HandshakeRefused, VoiceAgent

SILENT = {"type": "Settings", "audio": {}, "agent": {}}
ENDED: dict[str, str] = {}


def ask(environ: Mapping[str, str], path: str = "", times: int = 1) -> list[str]:
    """Open sessions, and return what each came to."""
    return [_ask(environ["DGBUDGET_AGENT_URL"] + path, environ["DEEPGRAM_API_KEY"]) for _ in range(times)]


def _ask(url: str, key: str) -> str:
    try:
        with connect(url, additional_headers={"Authorization": f"Token {key}"}, proxy=None) as session:
            session.recv()
            return "opened"
    except WebSocketException as error:
        return str(error)


@pytest.fixture
def connects_in_teardown(voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    ask({**voice_agent.endpoint.environ, "DEEPGRAM_API_KEY": "stale"})


def test_vendor(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.fault("refuse", status=401, code="INVALID_AUTH")
    ask(voice_agent.endpoint.environ, times=5)
    pytest.fail("seen from here: HTTP 401")


def test_token(voice_agent: VoiceAgent) -> None:
    ENDED.update(voice_agent.endpoint.environ)
    ask({**voice_agent.endpoint.environ, "DEEPGRAM_API_KEY": "stale"})
    pytest.fail("seen from here: HTTP 401")


def test_outlived(voice_agent: VoiceAgent) -> None:
    ask(ENDED)
    pytest.fail("seen from here: HTTP 401")


@pytest.mark.dg_budget("1s")
def test_reconnects(voice_agent: VoiceAgent) -> None:
    cut = threading.Event()
    threading.Timer(1.2, cut.set).start()
    with voice_agent.connect() as session:
        cut.wait()
        ask(voice_agent.endpoint.environ, times=5)
        session.close()


def test_path(voice_agent: VoiceAgent) -> None:
    ask(voice_agent.endpoint.environ, path="/x")
    pytest.fail("seen from here: HTTP 404")


def test_own_client(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.fault("refuse", status=403, code="NOT_ALLOWED")
    with voice_agent.connect():
        pass


def test_caught(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.fault("refuse", status=403, code="NOT_ALLOWED")
    with pytest.raises(HandshakeRefused):
        voice_agent.connect().__enter__()
    pytest.fail("for another reason")


def test_in_teardown(voice_agent: VoiceAgent, connects_in_teardown: None) -> None:
    pytest.fail("for another reason")


@pytest.mark.dg_budget("60s", idle="200ms")
def test_idle(voice_agent: VoiceAgent) -> None:
    for _ in range(3):
        with pytest.raises(ConnectionError), voice_agent.connect(SILENT) as session:
            session.expect("Nothing", timeout="5s")
    ask(voice_agent.endpoint.environ, times=2)
    with voice_agent.connect(SILENT):
        pass
