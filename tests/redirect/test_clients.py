"""Each client that would dial the vendor's agent dials the gateway, and shows its token there."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import urllib3

from tests.projects.redirect.dial import (
    REQUESTS,
    SOCKETS,
    aiohttp_session,
    httpx_ws,
    websocket_client,
    websocket_client_app,
    websockets_asyncio,
    websockets_legacy,
    websockets_sync,
    websockets_trio,
)
from tests.redirect.names import AGENT_URL, ANOTHER_TOKEN, KEY, LISTEN_URL, TOKEN
from tests.support.recording_server import Recorded, RecordingServer

pytestmark = pytest.mark.usefixtures("_redirected")

AGENT_PATH = "/v1/agent/converse"
SUBPROTOCOL_CLIENTS: dict[str, Callable[..., str]] = {
    "websockets_asyncio": lambda url, protocols: websockets_asyncio(
        url, "", additional_headers=None, subprotocols=protocols
    ),
    "websockets_sync": lambda url, protocols: websockets_sync(url, "", additional_headers=None, subprotocols=protocols),
    "websockets_legacy": lambda url, protocols: websockets_legacy(url, "", extra_headers=None, subprotocols=protocols),
    "websockets_trio": lambda url, protocols: websockets_trio(url, "", additional_headers=None, subprotocols=protocols),
    "websocket_client": lambda url, protocols: websocket_client(url, "", header=None, subprotocols=protocols),
    "websocket_client_app": lambda url, protocols: websocket_client_app(url, "", header=None, subprotocols=protocols),
}


def grant_by_requests(url: str, key: str) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Token {key}"
        session.cookies.set("a", key, domain="api.deepgram.com")
        assert session.post(url, data=GRANT, timeout=10).json()


def grant_by_urllib3(url: str, key: str) -> None:
    with urllib3.PoolManager(headers={"authorization": f"Token {key}"}) as manager:
        assert manager.urlopen("POST", url, body=GRANT).status == 200


def grant_by_httpx(url: str, key: str) -> None:
    with httpx.Client(headers={"Authorization": f"Token {key}"}, cookies={"a": key}) as client:
        assert client.post(url, content=GRANT).json()


def grant_by_aiohttp(url: str, key: str) -> None:
    async def main() -> None:
        headers = {"Authorization": f"Token {key}"}
        async with (
            aiohttp.ClientSession(headers=headers, cookies={"a": key}) as session,
            session.post(url, data=GRANT) as response,
        ):
            assert await response.json()

    asyncio.run(main())


GRANT = b'{"ttl_seconds": 30}'
POSTS = {post.__name__: post for post in (grant_by_requests, grant_by_urllib3, grant_by_httpx, grant_by_aiohttp)}


def everything_of(request: Recorded) -> str:
    return f"{request.method} {request.path} {request.headers} {request.body!r}"


@pytest.mark.parametrize("name", SOCKETS)
def test_a_session_reaches_the_gateway_with_its_token(name: str, gateway: RecordingServer) -> None:
    assert json.loads(SOCKETS[name](AGENT_URL + "?mip_opt_out=true", KEY))["type"] == "Welcome"
    request = gateway.take()
    assert (request.method, request.path) == ("GET", AGENT_PATH + "?mip_opt_out=true")
    assert request.headers["host"] == gateway.netloc
    assert request.credential in (f"Token {TOKEN}", f"token, {TOKEN}")
    assert KEY not in everything_of(request)


@pytest.mark.parametrize("name", SOCKETS)
def test_no_proxy_stands_between_a_session_and_the_gateway(
    name: str, gateway: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
        monkeypatch.setenv(variable.upper(), "http://127.0.0.1:1")
    SOCKETS[name](AGENT_URL, KEY)
    assert gateway.take().path == AGENT_PATH


@pytest.mark.parametrize("name", REQUESTS)
def test_no_proxy_stands_between_a_request_and_the_gateway(
    name: str, gateway: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    REQUESTS[name](LISTEN_URL, TOKEN)
    assert gateway.take().path.startswith("/to/")


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_carries_a_token_reaches_the_gateway_as_it_is(name: str, gateway: RecordingServer) -> None:
    answer = json.loads(REQUESTS[name](LISTEN_URL, ANOTHER_TOKEN))
    request = gateway.take()
    assert answer == {"path": request.path}
    assert request.path == "/to/api.deepgram.com/v1/listen?model=nova-3&tag=caf%C3%A9"
    assert request.headers["host"] == gateway.netloc
    assert request.credential == f"Token {ANOTHER_TOKEN}"


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(
    ("url", "key"), [(LISTEN_URL, KEY), ("https://api.example.com/v1/agent/converse", TOKEN)], ids=["key", "host"]
)
def test_another_request_is_left_alone(name: str, url: str, key: str, gateway: RecordingServer) -> None:
    with pytest.raises(Exception, match=r"not looked up|[Rr]esol|Cannot connect"):
        REQUESTS[name](url, key)
    assert gateway.requests == []


@pytest.mark.parametrize("name", SOCKETS)
def test_another_socket_with_a_token_reaches_the_gateway_as_it_is(name: str, gateway: RecordingServer) -> None:
    SOCKETS[name]("wss://api.eu.deepgram.com/v1/listen?a=b", ANOTHER_TOKEN)
    request = gateway.take()
    assert request.path == "/to/api.eu.deepgram.com/v1/listen?a=b"
    assert request.credential in (f"Token {ANOTHER_TOKEN}", f"token, {ANOTHER_TOKEN}")


@pytest.mark.parametrize("name", sorted(SOCKETS.keys() - {"websockets_iterator"}))  # it tries again for ever
def test_another_socket_is_left_alone(name: str, gateway: RecordingServer) -> None:
    with pytest.raises(Exception, match=r"not looked up|[Rr]esol|Cannot connect|Host not found|Name or service"):
        SOCKETS[name]("wss://api.eu.deepgram.com/v1/listen?a=b", KEY)
    assert gateway.requests == []


@pytest.mark.parametrize("scheme", ["token", "bearer"])
@pytest.mark.parametrize("name", SUBPROTOCOL_CLIENTS)
def test_subprotocols_keep_their_number_and_scheme(name: str, scheme: str, gateway: RecordingServer) -> None:
    SUBPROTOCOL_CLIENTS[name](AGENT_URL, [scheme, KEY, "another"])
    request = gateway.take()
    listed = [one.strip() for one in request.headers["sec-websocket-protocol"].split(",")]
    assert listed == [scheme, TOKEN, "another"]
    assert "authorization" not in request.headers


def test_aiohttp_subprotocols_and_parameters(gateway: RecordingServer) -> None:
    aiohttp_session(AGENT_URL, "", headers={"Authorization": ""}, protocols=["token", KEY], params={"a": "b c"})
    request = gateway.take()
    assert request.path == AGENT_PATH + "?a=b+c"
    assert request.headers["sec-websocket-protocol"] == f"token, {TOKEN}"


def header_forms() -> dict[str, Any]:
    from websockets.datastructures import Headers

    value = f"Token {KEY}"
    return {
        "dict": {"authorization": value, "x-a": "1"},
        "list": [("AUTHORIZATION", value), ("x-a", "1")],
        "Headers": Headers(Authorization=value, x_a="", **{"x-a": "1"}),
        "iterator": (pair for pair in [("Authorization", value), ("x-a", "1")]),
        "bytes of str": [("Authorization", value), ("x-a", 1)],
    }


@pytest.mark.parametrize("form", header_forms())
@pytest.mark.parametrize(
    ("dial", "argument"),
    [
        (websockets_asyncio, "additional_headers"),
        (websockets_sync, "additional_headers"),
        (websockets_trio, "additional_headers"),
        (websockets_legacy, "extra_headers"),
    ],
)
def test_websockets_headers_of_every_form(
    dial: Callable[..., str], argument: str, form: str, gateway: RecordingServer
) -> None:
    dial(AGENT_URL, "", **{argument: header_forms()[form]})
    request = gateway.take()
    assert (request.credential, request.headers["x-a"]) == (f"Token {TOKEN}", "1")


LINES = [f"authorization: Token {KEY}", "x-a: 1"]


@pytest.mark.parametrize(
    ("dial", "header"),
    [
        (websocket_client, LINES),
        (websocket_client, dict(line.split(": ") for line in LINES)),
        (websocket_client_app, LINES),
        (websocket_client_app, dict(line.split(": ") for line in LINES)),
        (websocket_client_app, lambda: LINES),
    ],
    ids=["list", "dict", "app, list", "app, dict", "app, callable"],
)
def test_websocket_client_headers_of_every_form(
    dial: Callable[..., str], header: Any, gateway: RecordingServer
) -> None:
    dial(AGENT_URL, "", header=header)
    request = gateway.take()
    assert (request.credential, request.headers["x-a"]) == (f"Token {TOKEN}", "1")


@pytest.mark.parametrize(
    ("dial", "options"),
    [
        (websockets_asyncio, {"ssl": ssl.create_default_context(), "server_hostname": "agent.deepgram.com"}),
        (websockets_asyncio, {"host": "127.0.0.1", "port": 1, "proxy": "http://127.0.0.1:1", "family": 10}),
        (websockets_sync, {"ssl": ssl.create_default_context(), "server_hostname": "a", "proxy": "http://127.0.0.1:1"}),
        (websockets_trio, {"ssl": ssl.create_default_context(), "server_hostname": "a", "proxy": "http://127.0.0.1:1"}),
        (websockets_legacy, {"ssl": ssl.create_default_context(), "host": "127.0.0.1", "port": 1}),
        (websocket_client, {"sslopt": {"cert_reqs": ssl.CERT_REQUIRED}, "host": "agent.deepgram.com", "cookie": "a=b"}),
        (websocket_client, {"http_proxy_host": "127.0.0.1", "http_proxy_port": 1}),
        (aiohttp_session, {"ssl": ssl.create_default_context(), "proxy": "http://127.0.0.1:1"}),
        (httpx_ws, {"cookies": {"a": "b"}}),
    ],
)
def test_what_belongs_to_the_vendors_connection_is_dropped(
    dial: Callable[..., str], options: dict[str, Any], gateway: RecordingServer, recwarn: pytest.WarningsRecorder
) -> None:
    dial(AGENT_URL, KEY, **options)
    request = gateway.take()
    assert (request.credential, request.headers["host"]) == (f"Token {TOKEN}", gateway.netloc)
    assert "cookie" not in request.headers


def test_the_iterator_reconnects_to_the_gateway(gateway: RecordingServer) -> None:
    from websockets.asyncio.client import connect

    async def main() -> None:
        sessions = 0
        async for connection in connect(AGENT_URL, additional_headers={"Authorization": f"Token {KEY}"}):
            await connection.close()
            sessions += 1
            if sessions == 3:
                return

    asyncio.run(main())
    assert [request.credential for request in gateway.requests] == [f"Token {TOKEN}"] * 3


def test_what_the_user_hands_to_websockets_is_used(gateway: RecordingServer) -> None:
    from websockets.asyncio.client import ClientConnection, connect

    class Own(ClientConnection):
        """The user's connection."""

    class OwnConnect(connect):
        """The user's connect, with an argument of its own."""

        def __init__(self, uri: str, key: str, **given: Any) -> None:
            super().__init__(uri, additional_headers={"Authorization": f"Token {key}"}, **given)

    logger = logging.getLogger("users")

    def process_exception(error: Exception) -> Exception | None:
        return error

    async def main() -> None:
        made = OwnConnect(AGENT_URL, KEY, create_connection=Own, process_exception=process_exception, logger=logger)
        assert (made.process_exception, made.logger) == (process_exception, logger)
        async with made as connection:
            assert type(connection) is Own

    asyncio.run(main())
    assert gateway.take().credential == f"Token {TOKEN}"


def test_a_socket_that_leads_to_the_vendor_is_closed_and_not_used(gateway: RecordingServer) -> None:
    mine, other = socket.socketpair()
    with other:
        websockets_sync(AGENT_URL, KEY, sock=mine)
        assert mine.fileno() == -1
    assert gateway.take().credential == f"Token {TOKEN}"


def test_a_unix_socket_is_left_alone(gateway: RecordingServer, tmp_path: Path) -> None:
    from websockets.sync.client import unix_connect

    with pytest.raises(FileNotFoundError):
        unix_connect(str(tmp_path / "none"), uri="ws://agent.deepgram.com/v1/agent/converse")
    assert gateway.requests == []


@pytest.mark.parametrize(("name", "post"), POSTS.items())
def test_a_temporary_token_is_asked_of_the_gateway_with_its_token(
    name: str, post: Callable[[str, str], None], gateway: RecordingServer
) -> None:
    post("https://api.deepgram.com/v1/auth/grant", KEY)
    request = gateway.take()
    assert (request.method, request.path) == ("POST", "/to/api.deepgram.com/v1/auth/grant")
    assert (request.credential, request.body) == (f"Token {TOKEN}", b'{"ttl_seconds": 30}')
    assert KEY not in everything_of(request)
