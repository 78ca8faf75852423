"""Another process of this machine, played by a test, connects to the port on which pytest waits for its workers."""

import socket

import pytest


def test_a_stranger_connects(request: pytest.FixtureRequest) -> None:
    port: int = vars(request.config)["workerinput"]["dgbudget"]["port"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: stranger\r\n\r\n")
        assert stranger.recv(100) == b""
