"""The agent's endpoint is connected to, and asked nothing."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from pytest_dgbudget.cli.checks.agent import check_agent


@contextmanager
def listening(talk: Callable[[socket.socket], bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Accept one connection; yield the port, and what came by it, once the connection has ended."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.settimeout(20)
                came.append(talk(client))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], came
        thread.join(20)


def everything(client: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := client.recv(4096):
            received += chunk
    except (ssl.SSLEOFError, ConnectionResetError):  # closed without a goodbye of TLS
        pass
    return received


def over_tls(authority: trustme.CA, name: str) -> Callable[[socket.socket], bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    def talk(client: socket.socket) -> bytes:
        with context.wrap_socket(client, server_side=True) as secured:
            return everything(secured)

    return talk


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


def test_the_agent_is_connected_to_and_asked_nothing() -> None:
    with listening(everything) as (port, came):
        check = check_agent(f"ws://127.0.0.1:{port}/v1/agent/converse?token=secret")
    assert check.result == "ok"
    assert check.found.startswith("127.0.0.1 answers (no TLS, ")
    assert came == [b""]


def test_the_agent_is_asked_nothing_over_tls(authority: trustme.CA) -> None:
    with listening(over_tls(authority, "localhost")) as (port, came):
        check = check_agent(f"wss://localhost:{port}/v1/agent/converse")
    assert check.result == "ok", check
    assert check.found.startswith("localhost answers (TLS, ")
    assert came == [b""]


def test_the_agent_is_reached_by_the_proxy_that_a_session_would_take(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []

    def proxy(client: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        heads.append(head)
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        return over_tls(authority, "agent.example")(client)

    with listening(proxy) as (port, came):
        monkeypatch.setenv("https_proxy", f"http://somebody:pass%40word@127.0.0.1:{port}")
        check = check_agent("wss://agent.example/v1/agent/converse")
    assert check.result == "ok", check
    assert "by the proxy 127.0.0.1" in check.found
    assert heads[0].startswith(b"CONNECT agent.example:443 ")
    assert b"Proxy-Authorization: Basic c29tZWJvZHk6cGFzc0B3b3Jk" in heads[0]
    assert came == [b""]


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/v1/agent/converse", "wss://127.0.0.1:1/v1/agent/converse"])
def test_an_agent_that_is_not_there_fails(url: str) -> None:
    check = check_agent(url)
    assert check.result == "failed"
    assert check.found.startswith("127.0.0.1 can't be reached: ConnectionRefusedError")
    assert check.to_do


def test_a_certificate_that_nobody_here_trusts_fails() -> None:
    def untrusted(client: socket.socket) -> bytes:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            over_tls(trustme.CA(), "localhost")(client)
        return b""

    with listening(untrusted) as (port, _):
        check = check_agent(f"wss://localhost:{port}/v1/agent/converse")
    assert check.result == "failed"
    assert "SSLCertVerificationError" in check.found
