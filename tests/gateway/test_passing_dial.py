"""Where a passed request is dialled: by TLS, and through the proxy that the environment names."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path

import h11
import pytest
import trustme

from pytest_dgbudget.gateway.passing import dial
from pytest_dgbudget.gateway.passing.dial import open_stream
from pytest_dgbudget.gateway.upstream import DialLost
from tests.support.stream_server import serving

pytestmark = pytest.mark.asyncio


async def answers_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    await writer.drain()


class Proxy:
    """Answers CONNECT, and joins both sides; keeps the heads of its requests."""

    def __init__(self, status: str = "200 OK", to: int = 0) -> None:
        self.heads: list[str] = []
        self._status = status
        self._to = to

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {self._status}\r\n\r\n".encode())
        if self._to:
            there, onward = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(pump(reader, onward), pump(there, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def asked_of(url: str, host: str) -> bytes:
    """Ask for a document, and return its body."""
    stream = await open_stream(url)
    await stream.send(h11.Request(method="GET", target="/", headers=[("Host", host)]))
    await stream.send(h11.EndOfMessage())
    assert isinstance(await stream.next_event(), h11.Response)
    data = await stream.next_event()
    stream.abort()
    return bytes(data.data)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Return an authority that this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return authority


def context_for(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_it_is_dialled_by_tls_and_the_certificate_is_checked(authority: trustme.CA) -> None:
    async with serving(answers_ok, context_for(authority, "localhost")) as port:
        assert await asked_of(f"https://localhost:{port}", "localhost") == b"hi"
    async with serving(answers_ok, context_for(trustme.CA(), "localhost")) as port:
        with pytest.raises(DialLost) as lost:
            await open_stream(f"https://localhost:{port}")
    assert lost.value.status == 502
    assert "certificate" in lost.value.reason


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_of_the_environment_is_used_with_its_credentials(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    tls = context_for(authority, "api.example") if scheme == "https" else None
    async with serving(answers_ok, tls) as port:
        proxy = Proxy(to=port)
        async with serving(proxy.serve) as at:
            monkeypatch.setenv(f"{scheme}_proxy", f"http://me:p%40ss@127.0.0.1:{at}")
            monkeypatch.delenv("no_proxy", raising=False)
            assert await asked_of(f"{scheme}://api.example:7777/v1/x", "api.example") == b"hi"
    (head,) = proxy.heads
    assert head.startswith("CONNECT api.example:7777 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:p@ss').decode()}\r\n" in head


@pytest.mark.parametrize(
    ("status", "reason"), [("407 Proxy Authentication Required", "407 Proxy"), ("502 Bad Gateway", "502 Bad")]
)
async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, status: str, reason: str) -> None:
    proxy = Proxy(status)
    async with serving(proxy.serve) as at:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{at}")
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(DialLost) as lost:
            await open_stream("https://api.example")
    assert (lost.value.status, reason in lost.value.reason) == (502, True)


async def test_loopback_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving(answers_ok) as port:
        assert await asked_of(f"http://127.0.0.1:{port}", "x") == b"hi"


async def test_what_can_not_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DialLost) as lost:
        await open_stream("http://127.0.0.1:1")
    assert lost.value.status == 502
    monkeypatch.setattr(dial, "_OPEN_SECONDS", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass

    async with serving(silent) as at:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{at}")
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(DialLost) as lost:
            await open_stream("https://api.example")
    assert (lost.value.status, "0.2 s" in lost.value.reason) == (504, True)
