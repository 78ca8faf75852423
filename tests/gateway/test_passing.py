"""What dg_pass_other passes: streamed both ways, with the real key, counted, and closed with the run."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.targets.live import LiveTarget
from tests.support.http_vendor import HttpVendor, VendorHandler
from tests.support.served import Answer, Served, by_token, served
from tests.support.vendor import KEY, Vendor

ORIGIN = "https://page.example"
MEBIBYTE = 2**20


def run_config_for(folder: Path, agent_url: str, api_url: str, **environment: str) -> RunConfig:
    """Return the settings of a run on the emulator that passes on what is not metered."""
    return resolve(
        command_line={"dg_target": "emulator", "dg_agent_url": agent_url, "dg_api_url": api_url},
        environment=environment,
        ini={"dg_pass_other": "true"},
        rootdir=folder,
        current_dir=folder,
    )


def passing(
    folder: Path,
    answers: Callable[[VendorHandler], object],
    does: Callable[[Served, HttpVendor], Awaitable[None]],
    key: str | None = KEY,
    agent_url: str = "ws://127.0.0.1:1/v1/agent/converse",
) -> None:
    """Do something with a gateway that passes on to this vendor, whatever its target."""

    async def main(vendor: HttpVendor) -> None:
        run_config = run_config_for(folder, agent_url, vendor.url)
        async with served(folder, LiveTarget({}, "", None), run_config=run_config, key=key) as gateway:
            await does(gateway, vendor)

    with HttpVendor(answers) as vendor:
        run_metering(main(vendor))


def error_of(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["err_code"]


# Requests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["base URL", "host"])
def test_a_request_goes_on_with_the_real_key_and_its_answer_comes_back(tmp_path: Path, by: str) -> None:
    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        before = "" if by == "base URL" else f"/to/{vendor.host}"
        answer = await gateway.ask(
            "POST",
            f"{before}/v1/listen?model=nova-3&tag=%2F",
            await gateway.token(),
            body=b"some audio",
            Content_Type="audio/wav",
            X_Deepgram_Session="s",
            Connection="X-Hop",
            X_Hop="for us alone",
            TE="trailers",
        )
        assert (answer.status, answer.body) == (202, b"heard some audio")
        assert answer.headers["dg-request-id"] == "r-1"
        assert "keep-alive" not in answer.headers
        (asked,) = vendor.asked
        assert (asked.method, asked.path) == ("POST", "/v1/listen?model=nova-3&tag=%2F")
        sent = dict(asked.headers)
        assert sent.pop("host") == vendor.host
        assert sent == {
            "authorization": f"Token {KEY}",
            "accept-encoding": "identity",
            "connection": "close",
            "content-length": "10",
            "content-type": "audio/wav",
            "x-deepgram-session": "s",
        }
        assert gateway.remarks.sentences() == [f"passed 1 request to {vendor.host} unmetered (dg_pass_other)"]

    def answers(request: VendorHandler) -> None:
        request.answer(202, b"heard " + request.body(), dg_request_id="r-1", Keep_Alive="timeout=5")

    passing(tmp_path, answers, asks)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_passes(tmp_path: Path, method: str) -> None:
    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        answer = await gateway.ask(method, "/v2/anything", await gateway.token())
        assert (answer.status, answer.headers["content-length"]) == (200, "4")
        assert answer.body == (b"" if method == "HEAD" else b"body")
        assert [asked.method for asked in vendor.asked] == [method]

    passing(tmp_path, lambda request: request.answer(body=b"body"), asks)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_passes(tmp_path: Path, status: int) -> None:
    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        answer = await gateway.ask("GET", "/v1/listen", await gateway.token())
        assert (answer.status, answer.body) == (status, b"")

    passing(tmp_path, lambda request: request.begin(status), asks)


def test_a_redirect_is_not_followed_but_passed(tmp_path: Path) -> None:
    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        answer = await gateway.ask("GET", "/v1/listen", await gateway.token())
        assert (answer.status, answer.headers["location"]) == (302, "https://elsewhere.example/x")
        assert len(vendor.asked) == 1

    passing(tmp_path, lambda request: request.answer(302, Location="https://elsewhere.example/x"), asks)


async def opened(gateway: Served, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    token = await gateway.token()
    host = f"Host: 127.0.0.1:{gateway.port}\r\nAuthorization: Token {token}\r\n"
    writer.write(f"{head}\r\n{host}\r\n".encode())
    return reader, writer


def test_both_bodies_are_streamed_and_neither_is_kept_until_it_is_whole(tmp_path: Path) -> None:
    """Each part is answered before the next one is sent."""

    def echoes(request: VendorHandler) -> None:
        request.begin(Transfer_Encoding="chunked")
        while data := request.next_chunk():
            request.chunk(b"echo of " + data)
        request.chunk(b"")

    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        reader, writer = await opened(gateway, "POST /v1/listen HTTP/1.1\r\nTransfer-Encoding: chunked")
        for part in (b"one", b"two", b"three"):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await asyncio.wait_for(reader.readuntil(b"echo of " + part), 10)
        writer.write(b"0\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n0\r\n\r\n")
        writer.close()

    passing(tmp_path, echoes, asks)


def test_a_client_that_waits_to_be_told_so_is_told_to_go_on(tmp_path: Path) -> None:
    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        reader, writer = await opened(gateway, "POST /v1/listen HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 \r\n\r\n"
        writer.write(b"abc")
        assert (await reader.read()).endswith(b"\r\n\r\nabc")
        writer.close()

    passing(tmp_path, lambda request: request.answer(body=request.body()), asks)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_who_is_slow_makes_the_other_side_wait(tmp_path: Path, direction: str) -> None:
    """A hundred times more than any buffer holds is sent, and most of it waits where it came from."""
    sent, size, reads = 0, 64 * MEBIBYTE, threading.Event()

    def answers(request: VendorHandler) -> None:
        nonlocal sent
        if direction == "up":
            reads.wait(20)
            request.answer()
            return
        request.begin(Content_Length=str(size))
        for _ in range(size // MEBIBYTE):
            request.wfile.write(b"x" * MEBIBYTE)
            sent += MEBIBYTE

    async def up(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _ in range(size // MEBIBYTE):
            writer.write(b"x" * MEBIBYTE)
            await writer.drain()
            sent += MEBIBYTE

    async def settled() -> int:
        """Wait until nothing moves any more."""
        before = -1
        while before != sent or not sent:
            before = sent
            await asyncio.sleep(0.2)
        return sent

    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        length = size if direction == "up" else 0
        reader, writer = await opened(gateway, f"POST /v1/listen HTTP/1.1\r\nContent-Length: {length}")
        sending = asyncio.ensure_future(up(writer)) if direction == "up" else None
        assert await asyncio.wait_for(settled(), 20) < size / 2
        reads.set()
        if sending is not None:
            sending.cancel()
        else:
            assert len((await reader.read()).partition(b"\r\n\r\n")[2]) == size
        writer.close()

    passing(tmp_path, answers, asks)


def test_a_vendor_that_answers_early_is_heard_whatever_is_still_to_be_sent(tmp_path: Path) -> None:
    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        reader, writer = await opened(gateway, "POST /v1/listen HTTP/1.1\r\nContent-Length: 100000000")
        writer.write(b"x" * 1000)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 413")
        writer.close()

    passing(tmp_path, lambda request: request.answer(413, b"too much"), asks)


def test_an_answer_that_breaks_off_does_not_look_whole(tmp_path: Path) -> None:
    def breaks_off(request: VendorHandler) -> None:
        request.begin(Transfer_Encoding="chunked")
        request.chunk(b"half")

    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        reader, writer = await opened(gateway, "GET /v1/listen HTTP/1.1")
        came = b""
        with pytest.raises(ConnectionError):
            while True:
                data = await reader.read(100)
                came += data
                if not data:
                    raise ConnectionResetError
        assert not came.endswith(b"0\r\n\r\n")
        writer.close()

    passing(tmp_path, breaks_off, asks)


@pytest.mark.parametrize("talk", ["closes", "talks nonsense"])
def test_a_vendor_that_gives_no_answer_is_a_502_that_the_test_is_told_of(tmp_path: Path, talk: str) -> None:
    def answers(request: VendorHandler) -> None:
        if talk == "talks nonsense":
            request.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        granted = await gateway.grant()
        answer = await gateway.ask("GET", "/v1/listen", granted.token)
        assert error_of(answer) == (502, "DGBUDGET_UPSTREAM")
        assert [(told.status, told.code) for told in await gateway.refusals(granted)] == [(502, "DGBUDGET_UPSTREAM")]

    passing(tmp_path, answers, asks)


def test_what_no_vendor_was_reached_for_is_not_counted(tmp_path: Path) -> None:
    async def asks(gateway: Served, _: HttpVendor) -> None:
        answer = await gateway.ask("GET", "/to/127.0.0.1:1/v1/listen", await gateway.token())
        assert error_of(answer) == (502, "DGBUDGET_UPSTREAM")
        assert gateway.remarks.sentences() == []

    passing(tmp_path, lambda request: request.answer(), asks)


def test_a_client_that_leaves_ends_its_request_at_the_vendor(tmp_path: Path) -> None:
    left = threading.Event()

    def streams(request: VendorHandler) -> None:
        request.begin(Transfer_Encoding="chunked")
        try:
            while True:
                request.chunk(b"x" * 65_536)
        except OSError:
            left.set()

    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        reader, writer = await opened(gateway, "GET /v1/listen HTTP/1.1")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        assert await asyncio.to_thread(left.wait, 10)

    passing(tmp_path, streams, asks)


def test_i2_the_key_comes_back_in_nothing_that_a_vendor_repeats(tmp_path: Path) -> None:
    halves = KEY[:20].encode(), KEY[20:].encode()

    def repeats(request: VendorHandler) -> None:
        request.begin(Transfer_Encoding="chunked", X_Echo=f"key {KEY}", X_Token=request.headers["authorization"])
        for part in (b"whole " + KEY.encode(), b" in two " + halves[0], halves[1], b" begun " + halves[0], b""):
            request.chunk(part)

    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        answer = await gateway.ask("GET", "/v1/listen", await gateway.token())
        stars = b"*" * len(KEY)
        assert answer.body == b"whole " + stars + b" in two " + stars + b" begun " + halves[0]
        assert (answer.headers["x-echo"], answer.headers["x-token"]) == ("key ***", "Token ***")

    passing(tmp_path, repeats, asks)


def test_what_goes_on_when_the_run_ends_is_closed(tmp_path: Path) -> None:
    came, closed = threading.Event(), threading.Event()

    def waits(request: VendorHandler) -> None:
        came.set()
        request.rfile.read(1)
        closed.set()

    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        reader, writer = await opened(gateway, "GET /v1/listen HTTP/1.1")
        assert await asyncio.to_thread(came.wait, 10)
        gateway.unmetered.close()
        assert await asyncio.to_thread(closed.wait, 10)
        assert b"200" not in await asyncio.wait_for(reader.read(), 10)
        writer.close()

    passing(tmp_path, waits, asks)


# Whose key goes where -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "test-key", "0" * 40, "d9b0d9e7" + "1" * 32])
def test_without_a_real_key_nothing_passes_and_that_is_said(tmp_path: Path, key: str | None) -> None:
    async def asks(gateway: Served, vendor: HttpVendor) -> None:
        answer = await gateway.ask("GET", "/v1/listen", await gateway.token())
        assert error_of(answer) == (501, "DGBUDGET_NOT_METERED")
        assert "no key of Deepgram's" in json.loads(answer.body)["err_msg"]
        assert vendor.asked == []

    passing(tmp_path, lambda request: request.answer(), asks, key=key)


def test_the_key_of_another_vendor_goes_to_no_host_of_deepgrams(tmp_path: Path) -> None:
    async def main() -> None:
        run_config = resolve(
            command_line={"dg_target": "live", "dg_agent_url": "wss://voice.example/x", "dg_budget": "1m"},
            environment={"DEEPGRAM_API_KEY": KEY},
            ini={"dg_pass_other": "true"},
            rootdir=tmp_path,
            current_dir=tmp_path,
        )
        async with served(tmp_path, LiveTarget({}, "", None), run_config=run_config, key=KEY) as gateway:
            for path in ("/v1/listen", "/to/api.deepgram.com/v1/listen"):
                answer = await gateway.ask("GET", path, await gateway.token())
                assert error_of(answer) == (501, "DGBUDGET_NOT_METERED")
                assert "--dg-api-url" in json.loads(answer.body)["err_msg"]

    run_metering(main())


# Pages in a browser -------------------------------------------------------------------------------------------------


def test_a_page_reads_what_is_passed_for_its_token_and_nothing_else(tmp_path: Path) -> None:
    async def page(gateway: Served, vendor: HttpVendor) -> None:
        asked = await gateway.ask("OPTIONS", "/v1/listen", Origin=ORIGIN, Access_Control_Request_Method="POST")
        assert (asked.status, asked.headers["access-control-allow-methods"]) == (200, "POST")
        assert vendor.asked == []
        answer = await gateway.ask("POST", "/v1/listen", await gateway.token(), Origin=ORIGIN)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-expose-headers"] == "dg-request-id"
        stranger = await gateway.ask("POST", "/v1/listen", "unknown", Origin=ORIGIN)
        assert stranger.status == 401
        assert not [name for name in stranger.headers if name.startswith("access-control")]

    def allows_another(request: VendorHandler) -> None:
        request.answer(dg_request_id="r", Access_Control_Allow_Origin="https://other.example")

    passing(tmp_path, allows_another, page)


# Sockets ------------------------------------------------------------------------------------------------------------


def sockets(folder: Path, does: Callable[[Served, Vendor, str], Awaitable[None]], vendor: Vendor | None = None) -> None:
    """Do something with a gateway that passes sockets on; the last argument is what their paths begin with."""

    async def main(vendor: Vendor) -> None:
        run_config = run_config_for(folder, vendor.url, vendor.bill.url)
        async with served(folder, LiveTarget({}, "", None), run_config=run_config, key=KEY) as gateway:
            await does(gateway, vendor, "/to/" + vendor.url.split("/")[2])

    with vendor or Vendor() as running:
        run_metering(main(running))


@pytest.mark.parametrize("by", ["header", "subprotocol"])
def test_a_socket_goes_on_with_the_real_key_and_is_metered_by_nobody(tmp_path: Path, by: str) -> None:
    async def talks(gateway: Served, vendor: Vendor, prefix: str) -> None:
        granted = await gateway.grant(budget_ms=0)
        shown = by_token(granted.token) if by == "header" else {"subprotocols": ["token", granted.token]}
        async with gateway.session(f"{prefix}/v1/listen?model=nova-3", **shown) as socket:
            assert "Welcome" in str(await socket.recv())
            await socket.send(b"\0" * 100_000)
            await socket.send('{"type": "InjectUserMessage", "content": "you"}')
            assert "you" in str(await socket.recv())
            assert socket.subprotocol == (None if by == "header" else "token")
        (seen,) = await asyncio.to_thread(vendor.wait_closed, 1)
        assert (seen.path, seen.headers["authorization"]) == ("/v1/listen?model=nova-3", f"Token {KEY}")
        assert seen.audio_bytes == 100_000
        assert granted.token not in str(seen.headers)
        assert gateway.rows("SELECT * FROM lease") == gateway.rows("SELECT * FROM dial") == []
        host = vendor.url.split("/")[2]
        assert gateway.remarks.sentences() == [f"passed 1 socket to {host} unmetered (dg_pass_other)"]

    sockets(tmp_path, talks)


@pytest.mark.parametrize("path", ["/v1/agent/other", "/V1/agent/converse", "/v1/%61gent/x", "/v1/listen/../agent/x"])
def test_a_session_of_the_agents_never_passes_unmetered_however_its_path_is_written(tmp_path: Path, path: str) -> None:
    async def asks(gateway: Served, vendor: Vendor, prefix: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await gateway.session(prefix + path, **by_token(await gateway.token()))
        assert refused.value.response.status_code == 404
        assert vendor.connections == []

    sockets(tmp_path, asks)


def test_a_refusal_of_the_vendors_passes_without_the_key_and_is_told(tmp_path: Path) -> None:
    body = json.dumps({"err_code": "NOPE", "err_msg": f"not with {KEY}"}).encode()

    async def asks(gateway: Served, vendor: Vendor, prefix: str) -> None:
        granted = await gateway.grant()
        with pytest.raises(InvalidStatus) as refused:
            await gateway.session(f"{prefix}/v1/listen", **by_token(granted.token))
        assert refused.value.response.status_code == 403
        assert KEY.encode() not in (refused.value.response.body or b"")
        (told,) = await gateway.refusals(granted)
        assert (told.status, told.code) == (403, "NOPE")
        assert KEY not in told.reason

    sockets(tmp_path, asks, Vendor(refuse=(403, {}, body)))


def test_sockets_that_are_open_when_the_run_ends_are_closed(tmp_path: Path) -> None:
    async def talks(gateway: Served, vendor: Vendor, prefix: str) -> None:
        async with gateway.session(f"{prefix}/v1/listen", **by_token(await gateway.token())) as socket:
            await socket.recv()
            gateway.unmetered.close()
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        (seen,) = await asyncio.to_thread(vendor.wait_closed, 1)
        assert seen.close_code == 1000

    sockets(tmp_path, talks)


def test_an_improper_upgrade_is_not_passed(tmp_path: Path) -> None:
    async def asks(gateway: Served, vendor: Vendor, prefix: str) -> None:
        answer = await gateway.ask(
            "GET", f"{prefix}/v1/listen", await gateway.token(), Upgrade="websocket, h2c", Connection="Upgrade"
        )
        assert answer.status == 426
        assert vendor.connections == []

    sockets(tmp_path, asks)
