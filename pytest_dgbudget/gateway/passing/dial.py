"""Connections for requests that are passed on: with TLS, and through the proxy that the environment names."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

import h11

from pytest_dgbudget.config.proxy import proxy_of
from pytest_dgbudget.gateway.http_stream import HttpStream
from pytest_dgbudget.gateway.open_files import lacks_files, no_files_left
from pytest_dgbudget.gateway.upstream import DialLost
from pytest_dgbudget.protocol import codes

_OPEN_SECONDS = 10
_DEFAULT_PORTS = {"http": 80, "https": 443}


async def open_stream(url: str) -> HttpStream:
    """Connect to the server of a URL; raises DialLost."""
    try:
        return await asyncio.wait_for(_open(urlsplit(url), proxy_of(url)), _OPEN_SECONDS)
    except (TimeoutError, asyncio.TimeoutError):
        raise DialLost(504, f"no connection within {_OPEN_SECONDS} s") from None
    except (OSError, EOFError, ValueError, h11.ProtocolError) as error:
        if lacks_files(error):
            raise DialLost(503, no_files_left(), codes.OPEN_FILES) from None
        raise DialLost(502, f"{type(error).__name__}: {error}") from None


async def _open(url: SplitResult, proxy: str | None) -> HttpStream:
    host, port = url.hostname or "", url.port or _DEFAULT_PORTS[url.scheme]
    tls = ssl.create_default_context() if url.scheme == "https" else None
    if proxy is None:
        return HttpStream.dialled(*await asyncio.open_connection(host, port, ssl=tls))
    tunnel = await _tunnel(urlsplit(proxy), host, port)
    server_hostname = host if tls else None
    return HttpStream.dialled(*await asyncio.open_connection(sock=tunnel, ssl=tls, server_hostname=server_hostname))


async def _tunnel(proxy: SplitResult, host: str, port: int) -> socket.socket:
    """Return a connection that a proxy has made."""
    if proxy.scheme != "http":
        raise ValueError(f"a proxy of the kind {proxy.scheme}:// is not supported here")
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(proxy.hostname, proxy.port or 80, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = addresses[0]
    tunnel = socket.socket(family, kind, protocol)
    try:
        tunnel.setblocking(False)
        await loop.sock_connect(tunnel, address)
        await loop.sock_sendall(tunnel, _connect_request(proxy, f"{host}:{port}"))
        head = b""
        while b"\r\n\r\n" not in head:
            # One byte too many would be the server's.
            came = await loop.sock_recv(tunnel, 1)
            if not came:
                raise EOFError("the proxy closed the connection")
            head += came
        status = head.split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise OSError(f"the proxy answered {head.splitlines()[0].decode('latin-1')}")
    except BaseException:
        tunnel.close()
        raise
    return tunnel


def _connect_request(proxy: SplitResult, target: str) -> bytes:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username is not None:
        credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(credentials.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
