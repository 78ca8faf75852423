"""Dialling the vendor: what its answer makes of the dial, and what came together with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.utils import accept_key

from pytest_dgbudget.gateway.upstream import DialFailed, DialLost, Upstream, dial
from tests.support.stream_server import serving

pytestmark = pytest.mark.asyncio

SWITCHES = (
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: {accept}\r\n"
)
WELCOME = "\x81\x02{{}}"


class Answering:
    """A vendor that gives one answer to whatever is asked, and keeps the head of the request."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        writer.write(self.answer.format(accept=accept_key(header(head, "sec-websocket-key"))).encode("latin-1"))
        await reader.read()


def header(head: str, name: str) -> str:
    return next(line.partition(": ")[2] for line in head.splitlines() if line.lower().startswith(f"{name}:"))


@asynccontextmanager
async def answering(answer: str) -> AsyncIterator[Answering]:
    vendor = Answering(answer)
    async with serving(vendor.serve) as port:
        vendor.url = f"ws://127.0.0.1:{port}/v1/agent/converse"
        yield vendor


@asynccontextmanager
async def dialled(vendor: Answering, *, subprotocols: Sequence[str] = (), **given: Any) -> AsyncIterator[Upstream]:
    known: dict[str, Any] = {"headers": {"Authorization": "Token key"}, "user_agent": None, **given}
    upstream = await dial(vendor.url, subprotocols=subprotocols, **known)
    yield upstream
    upstream.transport.abort()
    await asyncio.sleep(0)


async def failed(answer: str) -> DialFailed:
    async with answering(answer) as vendor:
        with pytest.raises(DialFailed) as failed:
            await dial(vendor.url, headers={}, user_agent=None, subprotocols=())
        assert len(vendor.asked) == 1, "each further try may be billed"
    return failed.value


async def test_a_101_opens_and_its_headers_are_kept() -> None:
    async with answering(SWITCHES + "dg-request-id: r\r\n\r\n") as vendor, dialled(vendor) as upstream:
        assert ("dg-request-id", "r") in upstream.headers
        assert (upstream.subprotocol, upstream.rest) == (None, b"")
        assert not upstream.was_lost


async def test_a_welcome_that_comes_with_the_101_is_kept() -> None:
    async with answering(SWITCHES + "\r\n" + WELCOME) as vendor, dialled(vendor) as upstream:
        assert upstream.rest == b"\x81\x02{}"


async def test_what_comes_before_another_protocol_takes_over_is_kept_as_well() -> None:
    async with answering(SWITCHES + "\r\n" + WELCOME) as vendor, dialled(vendor) as upstream:
        upstream.transport.get_protocol().data_received(b"more")  # type: ignore[attr-defined]
        assert upstream.rest == b"\x81\x02{}more"


async def test_a_connection_that_ends_before_another_protocol_takes_over_was_lost() -> None:
    async with answering(SWITCHES + "\r\n") as vendor, dialled(vendor) as upstream:
        upstream.transport.abort()
        await asyncio.sleep(0)
        assert upstream.was_lost


async def test_the_vendor_is_asked_with_what_was_given_and_offers_nothing_else() -> None:
    answer = SWITCHES + "Sec-WebSocket-Protocol: two\r\n\r\n"
    given = {"headers": {"Authorization": "Token key", "x-deepgram-a": "b"}, "user_agent": "mine/1"}
    async with answering(answer) as vendor, dialled(vendor, subprotocols=["one", "two"], **given) as upstream:
        assert upstream.subprotocol == "two"
        (head,) = vendor.asked
    names = ("authorization", "x-deepgram-a", "user-agent", "sec-websocket-protocol")
    assert [header(head, name) for name in names] == ["Token key", "b", "mine/1", "one, two"]
    assert "sec-websocket-extensions" not in head.lower()


async def test_a_refusal_is_kept_as_the_vendor_gave_it_but_for_what_belongs_to_its_connection() -> None:
    hop_by_hop = "Connection: close\r\nKeep-Alive: x\r\n"
    body = '{{"err_code": "INVALID_AUTH"}}'
    refused = await failed(f"HTTP/1.1 401 No\r\nX-Y: z\r\n{hop_by_hop}Content-Length: 28\r\n\r\n{body}")
    assert (refused.closed_by, refused.status, refused.body) == ("refused", 401, b'{"err_code": "INVALID_AUTH"}')
    assert list(refused.headers) == [("X-Y", "z")]


async def test_a_redirect_is_not_followed_and_the_place_is_named() -> None:
    lost = await failed("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(lost, DialLost)
    assert (lost.closed_by, lost.status, lost.headers, lost.body) == ("network", 502, (), b"")
    assert "redirects to ws://127.0.0.1:1/elsewhere, which is not followed" in lost.reason


async def test_a_redirect_to_two_places_at_once_is_one_like_any_other() -> None:
    lost = await failed("HTTP/1.1 302 Found\r\nLocation: ws://a/\r\nLocation: ws://b/\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(lost, DialLost)
    assert "redirects to ws://a/ and ws://b/" in lost.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("hello\r\n\r\n", "invalid HTTP status line"), (SWITCHES.replace("{accept}", "x") + "\r\n", "InvalidHeaderValue")],
    ids=["no HTTP", "for another key"],
)
async def test_an_answer_against_the_protocol_is_a_lost_dial_with_its_reason(answer: str, reason: str) -> None:
    lost = await failed(answer)
    assert isinstance(lost, DialLost)
    assert lost.status == 502
    assert reason in lost.reason


async def test_where_nobody_listens_the_dial_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DialLost) as lost:
        await dial(f"ws://127.0.0.1:{port}/", headers={}, user_agent=None, subprotocols=())
    assert lost.value.reason.startswith("ConnectionRefusedError")


async def test_a_proxy_of_the_environment_is_not_asked_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with answering(SWITCHES + "\r\n") as vendor, dialled(vendor) as upstream:
        assert not upstream.was_lost


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"err_msg": "Not\\nyours\\u0000 \\ud800!"}', "403: Not yours ?!"),
        (b'{"err_msg": 7}', "403: 7"),
        (b"[]", "403: []"),
        (b"\xff\x00<html>\r\n no", "403: \ufffd <html> no"),
        (b"x" * 1000, "403: " + "x" * 295),
    ],
    ids=["what no ledger can hold", "a number", "another form", "no text", "too long"],
)
async def test_why_a_dial_was_refused_is_one_line_that_a_report_can_show(body: bytes, said: str) -> None:
    assert DialFailed("refused", 403, (), body).why() == said
