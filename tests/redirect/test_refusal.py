"""What can't be redirected is broken off before its request is sent, and reported; all other TLS is left alone."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from pytest_dgbudget.redirect import RedirectSettings, install
from pytest_dgbudget.redirect.bypass import BypassRefused
from tests.projects.redirect.dial import SOCKETS
from tests.projects.redirect.dial_tls import STANDARD, Dial, asyncio_stream, raw_send
from tests.redirect.names import AGENT_URL, KEY, TOKEN
from tests.support.recording_server import RecordingServer

AGENT = "/v1/agent/converse"
VENDORS = ["agent.deepgram.com", "api.deepgram.com", "api.eu.deepgram.com", "dg.example.com"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture
def vendor(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    """The vendor's stand-in, which its names lead to."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*VENDORS).configure_cert(tls)
    with RecordingServer(tls=tls) as server:
        real = socket.getaddrinfo

        def getaddrinfo(_: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            return real("127.0.0.1", server.port if port == 443 else port, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield server


@pytest.fixture
def _installed(settings: RedirectSettings) -> Iterator[None]:
    redirect = install(settings)
    yield
    redirect.uninstall()


def how(settings: RedirectSettings, value: str, agent_url: str = AGENT_URL) -> RedirectSettings:
    return RedirectSettings(settings.gateway, settings.token, agent_url, value)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("url", [AGENT_URL, f"wss://api.eu.deepgram.com{AGENT}?a=b", "wss://api.deepgram.com/agent"])
def test_a_session_over_tls_is_broken_off_before_its_request(
    name: str, url: str, vendor: RecordingServer, gateway: RecordingServer, context: ssl.SSLContext
) -> None:
    with pytest.raises((BypassRefused, ConnectionError)) as refused:
        assert STANDARD[name](url, KEY, context) == b"", "the transport was closed"
        raise ConnectionError("closed")
    report = gateway.take()
    assert (report.method, report.path, report.credential) == ("POST", "/bypass", f"Token {TOKEN}")
    host, _, path = url.removeprefix("wss://").partition("?")[0].partition("/")
    said = json.loads(report.body)
    assert said.pop("program")
    assert said == {"host": host, "path": f"/{path}", "how": "refused"}
    assert [request for request in vendor.requests if "upgrade" in request.headers] == []
    assert KEY not in str(refused.value) + repr(refused.value) + str(report)


@pytest.mark.usefixtures("_installed")
def test_the_error_says_what_to_do(vendor: RecordingServer, gateway: RecordingServer, context: ssl.SSLContext) -> None:
    with pytest.raises(BypassRefused, match="voice_agent_endpoint") as refused:
        raw_send(AGENT_URL, KEY, context)
    assert isinstance(refused.value, ConnectionRefusedError)
    assert f"ws://{gateway.netloc}{AGENT}" in str(refused.value)


def test_without_it_the_same_reaches_the_vendor(vendor: RecordingServer, context: ssl.SSLContext) -> None:
    for dial in STANDARD.values():
        assert b"101 Switching" in dial(AGENT_URL, KEY, context)
        assert vendor.take().credential == f"Token {KEY}"


def test_under_warn_it_is_let_through_and_reported(
    settings: RedirectSettings, vendor: RecordingServer, gateway: RecordingServer, context: ssl.SSLContext
) -> None:
    redirect = install(how(settings, "warn"))
    assert b"101 Switching" in raw_send(AGENT_URL, KEY, context)
    redirect.uninstall()
    assert json.loads(gateway.take().body)["how"] == "passed"
    assert vendor.take().path == AGENT


def test_the_configured_agent_is_refused_as_well(
    settings: RedirectSettings, vendor: RecordingServer, gateway: RecordingServer, context: ssl.SSLContext
) -> None:
    redirect = install(how(settings, "clients", "wss://dg.example.com/talk"))
    with pytest.raises(BypassRefused):
        raw_send("wss://dg.example.com/talk", KEY, context)
    assert b"101 Switching" in raw_send("wss://dg.example.com/listen", KEY, context)
    redirect.uninstall()
    assert vendor.take().path == "/listen"


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("dial", [raw_send, asyncio_stream])
def test_another_socket_of_the_vendors_is_left_alone(
    dial: Dial, vendor: RecordingServer, gateway: RecordingServer, context: ssl.SSLContext
) -> None:
    assert b"101 Switching" in dial("wss://api.deepgram.com/v1/listen", KEY, context)
    assert vendor.take().path == "/v1/listen"
    assert gateway.requests == []


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("name", sorted(SOCKETS.keys() - {"websockets_iterator"}))
def test_under_refuse_clients_are_refused(
    name: str, settings: RedirectSettings, gateway: RecordingServer, vendor: RecordingServer
) -> None:
    redirect = install(how(settings, "refuse"))
    try:
        with pytest.raises(BypassRefused, match="--dg-redirect=refuse"):
            SOCKETS[name](AGENT_URL, KEY)
    finally:
        redirect.uninstall()
    assert gateway.take().path == "/bypass"
    assert vendor.requests == []


def test_a_refusal_does_not_need_the_gateway(vendor: RecordingServer, context: ssl.SSLContext) -> None:
    redirect = install(RedirectSettings("127.0.0.1:1", TOKEN, AGENT_URL))
    with pytest.raises(BypassRefused):
        raw_send(AGENT_URL, KEY, context)
    redirect.uninstall()


def test_looking_costs_little_and_ends_with_the_first_write(
    settings: RedirectSettings, vendor: RecordingServer, context: ssl.SSLContext
) -> None:
    redirect = install(settings)
    name = "agent.deepgram.com"
    with socket.create_connection((name, 443)) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
        assert type(tls) is not ssl.SSLSocket
        assert isinstance(tls, ssl.SSLSocket)
        tls.send(b"GET /v1/models HTTP/1.1\r\n")
        tls.send(b"Host: agent.deepgram.com\r\n\r\n")
        assert type(tls) is ssl.SSLSocket
        assert "_dgbudget_beginning" not in vars(tls)
        assert tls.recv(20).startswith(b"HTTP/1.1 200")
    redirect.uninstall()


class Written:
    """Stands in for a connection: what its first write costs is measured without TLS."""

    server_side = False
    server_hostname = "example.com"

    def write(self, data: bytes) -> int:
        return len(data)


def test_a_look_takes_a_few_microseconds_once_and_nothing_later() -> None:
    from pytest_dgbudget.redirect.refusal.first_write import look_at_first_write

    connections = [Written() for _ in range(2000)]
    for connection in connections:
        look_at_first_write(connection)
    first, later = _seconds_each(connections), _seconds_each(connections)
    print(f"first write {first * 1e6:.2f} µs, each later one {later * 1e6:.2f} µs")
    assert first < 20e-6  # 1 µs on a quiet machine
    assert all(type(connection) is Written for connection in connections)


def _seconds_each(connections: list[Written]) -> float:
    start = time.thread_time()
    for connection in connections:
        connection.write(b"\x16\x03abc")
    return (time.thread_time() - start) / len(connections)
