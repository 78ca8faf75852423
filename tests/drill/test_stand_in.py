"""The stand-in for the vendor meters each socket from its accept to its end, however that comes."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from pytest_dgbudget.drill.measure import SeenSession
from pytest_dgbudget.drill.seen import AGENT_PATH
from pytest_dgbudget.drill.stand_in_process import StandIn
from pytest_dgbudget.processes import Interpreter

KEY = "dgemu_sleep"
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Token {key}\r\n\r\n"
)
# Masked with zeros: as they read.
SETTINGS = b'\x81\x94\0\0\0\0{"type": "Settings"}'
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(Interpreter.of_this_process()) as running:
        yield running


def connected(port: int, path: str = AGENT_PATH) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(UPGRADE.format(path=path, key=KEY).encode())
    return client


def opened(stand_in: StandIn, port: int) -> socket.socket:
    """Open a session and wait until it has its Settings."""
    client = connected(port)
    client.sendall(SETTINGS)
    assert stand_in.wait(lambda: len(stand_in.ready(KEY)) == 1, 10)
    return client


def closed(stand_in: StandIn) -> SeenSession:
    assert stand_in.wait(lambda: stand_in.is_closed(KEY, stand_in.ready(KEY)), 10)
    (session,) = stand_in.metered(KEY)
    return session


def received(client: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def now_ms() -> float:
    return time.monotonic() * 1000


def test_a_session_is_metered_from_its_accept_to_its_close(stand_in: StandIn) -> None:
    before = now_ms()
    with opened(stand_in, stand_in.port) as client:
        assert stand_in.open(KEY) == stand_in.ready(KEY)
        assert stand_in.metered(KEY) == []
        closing = now_ms()
        client.sendall(CLOSE)
        answered = received(client)
    assert answered.startswith(b"HTTP/1.1 101")
    assert b'"Welcome"' in answered
    assert b'"SettingsApplied"' in answered
    assert answered.endswith(b"\x88\x02\x03\xe8")
    seen = closed(stand_in)
    assert before - 1 <= seen.opened_ms <= closing
    assert closing - 1 <= seen.close_seen_ms <= seen.closed_ms <= now_ms() + 1
    assert stand_in.open(KEY) == []


def test_who_does_not_close_its_side_is_metered_for_a_second_more(stand_in: StandIn) -> None:
    with opened(stand_in, stand_in.port) as client:
        client.sendall(CLOSE)
        seen = closed(stand_in)
    assert 900 <= seen.closed_ms - seen.close_seen_ms < 10_000


@pytest.mark.parametrize("deaf", [False, True], ids=["that listens", "that is deaf"])
def test_a_reset_is_the_end_of_a_session_at_a_vendor(stand_in: StandIn, deaf: bool) -> None:
    client = opened(stand_in, stand_in.deaf_port if deaf else stand_in.port)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    resetting = now_ms()
    client.close()
    seen = closed(stand_in)
    assert resetting - 1 <= seen.close_seen_ms == seen.closed_ms < resetting + 1000


def test_a_deaf_vendor_notices_no_close_but_the_end_of_the_connection(stand_in: StandIn) -> None:
    with opened(stand_in, stand_in.deaf_port) as client:
        client.sendall(CLOSE)
        assert not stand_in.wait(lambda: stand_in.open(KEY) == [], 0.3)
        ending = now_ms()
    seen = closed(stand_in)
    assert ending - 1 <= seen.close_seen_ms == seen.closed_ms


def test_sessions_are_told_apart_by_their_key(stand_in: StandIn) -> None:
    with opened(stand_in, stand_in.port):
        assert stand_in.ready("dgemu_another") == []


def test_there_is_an_agent_and_nothing_else(stand_in: StandIn) -> None:
    with connected(stand_in.port, "/v1/listen") as client:
        assert received(client).startswith(b"HTTP/1.1 404")
    assert stand_in.ready(KEY) == []


def test_who_waits_in_vain_is_told_so(stand_in: StandIn) -> None:
    assert not stand_in.wait(lambda: bool(stand_in.ready(KEY)), 0.05)
