"""The management API that is not there yet says so, whatever it is asked."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from pytest_dgbudget.emulator import rest
from pytest_dgbudget.emulator.server import Emulator

pytestmark = pytest.mark.asyncio


async def ask(emulator: Emulator, request: bytes) -> tuple[bytes, bytes]:
    address = urlsplit(emulator.api_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request)
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    return head, body


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v1/projects HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/auth/grant HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"DELETE /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        b"GET /x HTTP/1.0\r\n\r\n",
    ],
)
async def test_every_request_is_501(emulator: Emulator, request_: bytes) -> None:
    head, body = await ask(emulator, request_)
    assert head.startswith(b"HTTP/1.1 501 ")
    answer = json.loads(body)
    assert answer["err_code"] == "NOT_IMPLEMENTED"
    assert answer["err_msg"] == "the emulator has no management API yet"
    assert answer["request_id"].encode() in head


async def test_head_has_no_body(emulator: Emulator) -> None:
    head, body = await ask(emulator, b"HEAD /v1/projects HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 501 ")
    assert body == b""


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\r\n\r\n", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a" * 99999])
async def test_garbage_is_refused(emulator: Emulator, junk: bytes) -> None:
    head, body = await ask(emulator, junk)
    assert head.split()[1] in {b"400", b"431"}
    assert json.loads(body)["err_code"] == "Bad Request"


async def test_slow_client_is_not_waited_for(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "DEADLINE_SECONDS", 0.05)
    assert await ask(emulator, b"GET / HTTP/1.1\r\n") == (b"", b"")
