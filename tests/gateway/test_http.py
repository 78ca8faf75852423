"""Heads of requests, and the answers that turn them away."""

from __future__ import annotations

import json
from uuid import UUID

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.http import LONGEST_HEAD, MOST_LINES, BadRequest, Request, RequestReader, refusal
from pytest_dgbudget.protocol.answers import response

HEAD = (
    b"GET /v1/agent/converse?a=1&b=%20 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUPGRADE: WebSocket\r\n"
    b"Accept: a\r\nAccept: b\r\n\r\n"
)


def parsed(data: bytes) -> tuple[h11.Response, bytes]:
    """Let h11 read an answer."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    answer, body = client.next_event(), b""
    assert isinstance(answer, h11.Response)
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return answer, body


@given(st.integers(0, len(HEAD)), st.integers(0, len(HEAD)))
def test_a_head_is_read_however_it_is_cut(one: int, other: int) -> None:
    reader = RequestReader()
    begin, end = sorted((one, other))
    pieces = [piece for piece in (HEAD[:begin], HEAD[begin:end], HEAD[end:]) if piece]
    answers = [reader.feed(piece) for piece in pieces]
    assert answers[:-1] == [None] * (len(pieces) - 1)
    request = answers[-1]
    assert request is not None
    assert (request.method, request.path, request.query) == ("GET", "/v1/agent/converse", "a=1&b=%20")
    assert (request.upgrade, request.header("accept"), request.header("origin")) == ("websocket", "a, b", "")


def test_what_follows_the_head_is_kept() -> None:
    request = RequestReader().feed(HEAD + b"\x81\x05early")
    assert request is not None
    assert request.rest == b"\x81\x05early"


@given(st.lists(st.binary(min_size=1) | st.sampled_from([b"GET / HTTP/1.1\r\n", b"\r\n", b"A: b\r\n"]), max_size=8))
def test_garbage_is_a_bad_request_and_nothing_worse(pieces: list[bytes]) -> None:
    reader = RequestReader()
    for piece in pieces:
        try:
            request = reader.feed(piece)
        except BadRequest:
            return
        if isinstance(request, Request):
            return


@pytest.mark.parametrize(
    "data",
    [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"],
    ids=["words", "TLS", "no host"],
)
def test_what_is_no_request_is_bad(data: bytes) -> None:
    with pytest.raises(BadRequest):
        RequestReader().feed(data)


def test_a_head_that_does_not_end_is_bad() -> None:
    reader = RequestReader()
    assert reader.feed(b"GET / HTTP/1.1\r\n") is None
    with pytest.raises(BadRequest):
        for _ in range(LONGEST_HEAD // 1000 + 1):
            reader.feed(b"X: " + b"y" * 997 + b"\r\n")


LONGEST = b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"y" * (LONGEST_HEAD - 32))
MOST = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * (MOST_LINES - 3) + b"\r\n"


@pytest.mark.parametrize("head", [LONGEST, MOST], ids=["in bytes", "in lines"])
def test_a_head_has_a_bound_also_when_it_comes_at_once(head: bytes) -> None:
    request = RequestReader().feed(head + b"\n" * LONGEST_HEAD)
    assert request is not None
    assert request.rest == b"\n" * LONGEST_HEAD
    with pytest.raises(BadRequest, match="longer than"):
        RequestReader().feed(head.replace(b"Host: x", b"Host: x\r\nA: b"))


def test_a_refusal_has_the_vendors_form() -> None:
    answer, body = parsed(refusal(402, "DGBUDGET_EXHAUSTED", "run budget of 1m spent"))
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    fields = json.loads(body)
    assert (answer.status_code, headers["content-type"]) == (402, "application/json")
    assert fields.pop("request_id") == headers["dg-request-id"] == str(UUID(headers["dg-request-id"]))
    assert fields == {"err_code": "DGBUDGET_EXHAUSTED", "err_msg": "run budget of 1m spent"}
    assert headers["connection"] == "close"
    assert not [name for name in headers if name.startswith("access-control-")]


def test_a_refusal_may_say_anything() -> None:
    _, body = parsed(refusal(503, "X", "ledger “größe” 📼"))
    assert json.loads(body)["err_msg"] == "ledger “größe” 📼"


def test_no_message_adds_headers() -> None:
    answer, _ = parsed(refusal(503, "X", "line\r\nSet-Cookie: a=b"))
    assert b"set-cookie" not in dict(answer.headers)


@pytest.mark.parametrize("status", [200, 402, 599])
def test_an_answer_ends_the_connection(status: int) -> None:
    answer, body = parsed(response(status, [("X-Y", "z")], b"body"))
    assert (answer.status_code, body) == (status, b"body")
    assert dict(answer.headers)[b"connection"] == b"close"
    assert dict(answer.headers)[b"x-y"] == b"z"
