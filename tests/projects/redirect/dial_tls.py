"""WebSockets by hand, over each way to speak TLS: nothing of these can be redirected.

Each returns what was answered first, decrypted; ``context`` knows the authority of a stand-in.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit


def request_for(url: str, key: str) -> bytes:
    parts = urlsplit(url)
    return (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Token {key}\r\n\r\n"
    ).encode()


def where(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), parts.port or 443


def raw_send(url: str, key: str, context: ssl.SSLContext, written: str = "sendall") -> bytes:
    host, port = where(url)
    with socket.create_connection((host, port), 10) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
        getattr(tls, written)(request_for(url, key))
        return tls.recv(4096)


def raw_pieces(url: str, key: str, context: ssl.SSLContext) -> bytes:
    host, port = where(url)
    with socket.create_connection((host, port), 10) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
        for line in request_for(url, key).splitlines(keepends=True):
            tls.sendall(memoryview(line))
        return tls.recv(4096)


def without_name(url: str, key: str, context: ssl.SSLContext) -> bytes:
    context.check_hostname = False
    with socket.create_connection(where(url), 10) as plain, context.wrap_socket(plain) as tls:
        tls.sendall(request_for(url, key))
        return tls.recv(4096)


async def _stream(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import asyncio

    host, port = where(url)
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(request_for(url, key))
        await writer.drain()
        return await reader.read(4096)
    finally:
        writer.transport.abort()
        with contextlib.suppress(Exception):  # what became of it is raised above
            await writer.wait_closed()


def asyncio_stream(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import asyncio

    return asyncio.run(_stream(url, key, context))


def uvloop_stream(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import uvloop

    return bytes(uvloop.run(_stream(url, key, context)))


def tornado_client(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import asyncio

    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    async def main() -> bytes:
        request = HTTPRequest(url, headers={"Authorization": "Token " + key}, ssl_options=context)
        connection = await websocket_connect(request)
        return str(await connection.read_message()).encode()

    return asyncio.run(main())


def autobahn_client(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import asyncio

    from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

    async def main() -> bytes:
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        class Client(WebSocketClientProtocol):  # type: ignore[misc]
            def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803 - the library's names
                if not answered.done():
                    answered.set_result(payload)

            def connection_lost(self, exc: BaseException | None) -> None:
                super().connection_lost(exc)
                if not answered.done():
                    answered.set_exception(exc or ConnectionError("closed"))

        factory = WebSocketClientFactory(url, headers={"Authorization": "Token " + key})
        factory.protocol = Client
        host, port = where(url)
        await asyncio.get_running_loop().create_connection(factory, host, port, ssl=context)
        return await asyncio.wait_for(answered, 10)

    return asyncio.run(main())


def truststore_socket(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import truststore

    trusting = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return raw_send(url, key, trusting)


def gevent_socket(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import gevent.socket
    import gevent.ssl

    green = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    green.check_hostname = False
    green.verify_mode = ssl.CERT_NONE
    plain = gevent.socket.create_connection(where(url), 10)
    tls = green.wrap_socket(plain, server_hostname=where(url)[0])
    tls.sendall(request_for(url, key))
    return bytes(tls.recv(4096))


def eventlet_socket(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import eventlet
    from eventlet.green import ssl as green_ssl

    green = green_ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    green.check_hostname = False
    green.verify_mode = ssl.CERT_NONE
    tls = green.wrap_socket(eventlet.connect(where(url)), server_hostname=where(url)[0])
    tls.sendall(request_for(url, key))
    return bytes(tls.recv(4096))


def picows_client(url: str, key: str, context: ssl.SSLContext) -> bytes:
    """Return the first message; this one is redirected."""
    import asyncio

    from picows import WSFrame, WSListener, WSTransport, ws_connect

    async def main() -> bytes:
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        class Listener(WSListener):  # type: ignore[misc]
            def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
                if not answered.done():
                    answered.set_result(frame.get_payload_as_bytes())

        headers = {"Authorization": "Token " + key}
        transport, _ = await ws_connect(Listener, url, ssl_context=context, extra_headers=headers)
        try:
            return await asyncio.wait_for(answered, 10)
        finally:
            transport.disconnect()

    return asyncio.run(main())


def aiofastnet_connection(url: str, key: str, context: ssl.SSLContext) -> bytes:
    import asyncio

    import aiofastnet

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()

        class Client(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                answered.set_result(data)

        host, port = where(url)
        transport, _ = await aiofastnet.create_connection(loop, Client, host, port, ssl=context)
        try:
            transport.write(request_for(url, key))
            return await asyncio.wait_for(answered, 10)
        finally:
            transport.close()

    return asyncio.run(main())


Dial = Callable[[str, str, ssl.SSLContext], bytes]
STANDARD: dict[str, Dial] = {dial.__name__: dial for dial in (raw_send, raw_pieces, without_name, asyncio_stream)}
OTHERS: dict[str, Any] = {
    dial.__name__: dial
    for dial in (
        uvloop_stream,
        tornado_client,
        autobahn_client,
        truststore_socket,
        gevent_socket,
        eventlet_socket,
        picows_client,
        aiofastnet_connection,
    )
}
