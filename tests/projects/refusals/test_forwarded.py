"""An application in a container, or behind a port forward, knows the gateway by another name and port."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def forwarded(voice_agent: VoiceAgent) -> Iterator[int]:
    """Forward a port to the gateway, as ssh -L or kubectl do."""
    host, port = voice_agent.endpoint.base_url.removeprefix("http://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening, (host, int(port))), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def serve(listening: socket.socket, to: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):
        while True:
            one, _ = listening.accept()
            two = socket.create_connection(to)
            for pair in ((one, two), (two, one)):
                threading.Thread(target=pump, args=pair, daemon=True).start()


def pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


def test_through_a_forwarder(voice_agent: VoiceAgent, forwarded: int) -> None:
    url = f"ws://127.0.0.1:{forwarded}/v1/agent/converse"
    credentials = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    with connect(url, additional_headers=credentials, proxy=None) as agent:
        assert "Welcome" in str(agent.recv())
    assert voice_agent.usage.sessions == 1
