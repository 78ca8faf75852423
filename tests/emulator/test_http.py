"""A port as an HTTP server: connections that are kept, clients that are slow, and what is no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from pytest_dgbudget.emulator import connection
from pytest_dgbudget.emulator.http import DEADLINE_SECONDS, Answer, HttpServer, Refusal, Request
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import Line, ask, line, request, until

pytestmark = pytest.mark.asyncio

GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"


def not_found(_: Request) -> Answer:
    raise Refusal(404, "NOT_FOUND", "Not found.")


class Accepted(asyncio.Protocol):
    """A connection that is handed on at once."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.server.adopt(transport, b"")


@asynccontextmanager
async def line_to(server: HttpServer, first: bytes = b"") -> AsyncIterator[Line]:
    """A connection to this server, which serves as long."""
    listener = await asyncio.get_running_loop().create_server(lambda: Accepted(server), "127.0.0.1", 0)
    async with listener:
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        writer.write(first)
        try:
            yield Line(reader, writer)
        finally:
            writer.transport.abort()
            await server.stop()


async def test_one_connection_serves_one_request_after_the_other(emulator: Emulator) -> None:
    async with line(emulator) as api:
        for path, status in [("/v1/projects", 200), ("/x", 404), ("/v1/listen", 501), ("/v1/projects", 200)]:
            api.writer.write(request(emulator, path))
            assert (await api.reply()).status == status


async def test_pipelined_requests_are_answered_in_order(emulator: Emulator) -> None:
    asked = [("/v1/projects", 200), ("/x", 404), ("/v1/listen", 501)] * 20
    async with line(emulator, b"".join(request(emulator, path) for path, _ in asked)) as api:
        assert [(await api.reply()).status for _ in asked] == [status for _, status in asked]


@pytest.mark.parametrize(
    "last", [b"GET /x HTTP/1.0\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
)
async def test_connection_ends_when_the_client_wants_it(emulator: Emulator, last: bytes) -> None:
    async with line(emulator, last) as api:
        assert (await api.reply()).headers["connection"] == "close"
        assert await api.rest() == b""


async def test_client_that_has_sent_all_still_gets_all_answers(emulator: Emulator) -> None:
    async with line(emulator, GET * 3) as api:
        api.writer.write_eof()
        assert (await api.rest()).count(b"HTTP/1.1 404 ") == 3


async def test_head_has_the_headers_and_no_body(emulator: Emulator) -> None:
    async with line(emulator, request(emulator, "/v1/projects", method="HEAD") + GET) as api:
        reply = await api.reply(to_head=True)
        assert (reply.status, int(reply.headers["content-length"]) > 0) == (200, True)
        assert (await api.reply()).status == 404


@pytest.mark.parametrize(
    "body", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"]
)
async def test_body_is_read_past(emulator: Emulator, body: bytes) -> None:
    async with line(emulator, b"POST /v1/listen HTTP/1.1\r\nHost: x\r\n" + body + GET) as api:
        assert [(await api.reply()).status, (await api.reply()).status] == [501, 404]


async def test_client_that_expects_100_continue_gets_it(emulator: Emulator) -> None:
    first = b"POST /v1/listen HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    async with line(emulator, first) as api:
        assert (await api.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        api.writer.write(b"x" * 9 + GET)
        assert [(await api.reply()).status, (await api.reply()).status] == [501, 404]


@pytest.mark.parametrize(
    ("junk", "status"),
    [
        (b"\x16\x03\x01\x02\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (GET + b"hello\r\n\r\n", 400),
        (b"GET /" + b"a" * 99_999, 431),
    ],
)
async def test_garbage_is_refused_in_the_vendors_form(
    emulator: Emulator, junk: bytes, status: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with line(emulator, junk) as api:
        if junk.startswith(GET):
            await api.reply()
        assert (await api.reply()).refusal() == (status, "Bad Request")
        assert await api.rest() == b""
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("length", [b"Content-Length: 5000000", b"Transfer-Encoding: chunked"])
async def test_body_without_measure_is_refused_and_the_answer_arrives(emulator: Emulator, length: bytes) -> None:
    head = b"POST /v1/listen HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n"
    async with line(emulator, head + b"4c4b40\r\n" * (b"chunked" in length) + b"x" * 5_000_000) as api:
        await api.writer.drain()
        assert (await api.reply()).refusal() == (413, "Bad Request")


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{"]
)
async def test_slow_client_is_not_waited_for(begun: bytes) -> None:
    start = time.monotonic()
    async with line_to(HttpServer(not_found, deadline=0.05), begun) as api:
        assert await api.rest() == b""
    assert time.monotonic() - start < DEADLINE_SECONDS / 2


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n", b"\x16\x03\x01"])
async def test_a_head_that_does_not_come_is_not_waited_for(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """Neither of an agent's client nor of another."""
    monkeypatch.setattr(connection, "DEADLINE_SECONDS", 0.05)
    start = time.monotonic()
    async with line(emulator, begun) as api:
        assert await api.rest() == b""
    assert time.monotonic() - start < DEADLINE_SECONDS / 2


async def test_a_head_may_come_byte_by_byte(emulator: Emulator) -> None:
    async with line(emulator) as api:
        for byte in GET:
            api.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await api.reply()).status == 404


async def test_deadline_is_each_requests_own() -> None:
    async with line_to(HttpServer(not_found, deadline=1.0)) as api:
        for _ in range(4):
            await asyncio.sleep(0.3)
            api.writer.write(GET)
            assert (await api.reply()).status == 404


@pytest.mark.slow
async def test_client_that_reads_nothing_is_not_waited_for() -> None:
    before = asyncio.all_tasks()
    async with line_to(HttpServer(not_found, deadline=0.3)) as api:
        api.writer.transport.pause_reading()  # type: ignore[attr-defined]
        # Then the answers to a few thousand requests are more than the sockets hold.
        api.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        api.writer.write(GET * 100_000)
        await until(lambda: not asyncio.all_tasks() <= before)
        await until(lambda: asyncio.all_tasks() <= before)


async def test_slow_clients_cost_the_others_nothing(emulator: Emulator) -> None:
    async with AsyncExitStack() as stack:
        for begun in [b"", b"GET / HT", b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"] * 30:
            await stack.enter_async_context(line(emulator, begun))
        start = time.monotonic()
        assert (await ask(emulator, "/v1/projects")).status == 200
        assert time.monotonic() - start < 5  # the deadline is 10 s


async def test_bug_of_ours_is_an_error_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fails_at_bug(request: Request) -> Answer:
        return Answer(body=b"{}") if request.path == "/x" else Answer(body=b"", delay=1 / 0)

    async with line_to(HttpServer(fails_at_bug), GET.replace(b"/x", b"/bug") + GET) as api:
        assert (await api.reply()).refusal() == (500, "INTERNAL_SERVER_ERROR")
        assert (await api.reply()).status == 200
    assert "the emulator failed" in caplog.text


async def test_end_of_the_emulator_ends_every_connection() -> None:
    before = asyncio.all_tasks()
    async with contextlib.AsyncExitStack() as stack:
        async with Emulator() as emulator:
            idle = await stack.enter_async_context(line(emulator, GET))
            await idle.reply()
            half = await stack.enter_async_context(line(emulator, GET + b"GET / HT"))
            await half.reply()
        assert asyncio.all_tasks() <= before
        assert await idle.rest() == await half.rest() == b""
