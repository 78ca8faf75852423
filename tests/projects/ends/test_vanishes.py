"""Clients that crash, one after another: their connections end without a Close."""

from __future__ import annotations

import base64
import os
import socket
from urllib.parse import urlsplit

import pytest

from pytest_dgbudget import Endpoint, VoiceAgent


def come_and_vanish(endpoint: Endpoint) -> None:
    url = urlsplit(endpoint.agent_url)
    assert url.port is not None
    with socket.create_connection(("127.0.0.1", url.port)) as client:
        head = (
            f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Authorization: Token {endpoint.api_key}\r\n\r\n"
        )
        client.sendall(head.encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 101")


@pytest.mark.dg_budget("3s")
def test_vanishes(voice_agent: VoiceAgent) -> None:
    for _ in range(20):
        come_and_vanish(voice_agent.endpoint)
