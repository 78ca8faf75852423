"""Whatever either side sends through a running gateway arrives as it was sent, or ends its own session only."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.frames import Close
from websockets.sync.client import ClientConnection

from pytest_dgbudget.gateway.frames import BINARY, CLOSE, CONTINUATION, TEXT
from tests.gateway.streams import Sent
from tests.support.gateway import RawClient, RunningGateway, opened, wire
from tests.support.processes import wait_until
from tests.support.vendor import Seen, Vendor

PING, PONG = 0x9, 0xA
RESERVED, RESERVED_CONTROL = 0x3, 0xB
KEY = b"mask"
MIB = 2**20
SETTINGS = b'{"type": "Settings", "agent": {}}'

# A vendor that does as it is told -----------------------------------------------------------------------------------


class Puppet:
    """Echoes what comes; a message ``{"do": …}`` is a command."""

    def __init__(self) -> None:
        self._bystander: ServerConnection | None = None

    async def talk(self, connection: ServerConnection, seen: Seen) -> None:
        await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
        if "x-deepgram-bystander" in seen.headers:
            self._bystander = connection
        async for message in connection:
            if isinstance(message, str) and message.startswith('{"do"'):
                await self._do(connection, json.loads(message))
            else:
                seen.messages.append(len(message))
                await connection.send(message)

    async def _do(self, connection: ServerConnection, command: dict[str, str]) -> None:
        for piece in command.get("write", "").split():
            connection.transport.write(bytes.fromhex(piece))
            await self._let_the_gateway_read()
        if command["do"] == "reset":
            connection.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        if command["do"] in {"reset", "leave"}:
            connection.transport.abort()
        if command["do"] == "close":
            await connection.close(int(command["code"]), command["reason"])

    async def _let_the_gateway_read(self) -> None:
        """What it answers on another connection it has read after what came before on this one."""
        assert self._bystander is not None
        await (await self._bystander.ping())


def do(action: str, *pieces: bytes, **more: str) -> bytes:
    return json.dumps({"do": action, "write": " ".join(piece.hex() for piece in pieces), **more}).encode()


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with Vendor(Puppet().talk) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def gateway(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with opened(vendor.url, tmp_path_factory.mktemp("messages")) as gateway:
        yield gateway


@pytest.fixture
def bystander(gateway: RunningGateway) -> Iterator[ClientConnection]:
    """A session beside the one of the test: it goes on, and the gateway has nothing to say of either."""
    with gateway.session(gateway.grant().token, **{"x-deepgram-bystander": "yes"}) as session:
        session.recv(10)
        yield session
        session.send("still here")
        assert session.recv(10) == "still here"
    assert gateway.log() == ""


@pytest.fixture
def client(gateway: RunningGateway, bystander: ClientConnection) -> Iterator[RawClient]:
    with RawClient(gateway, gateway.grant().token) as client:
        yield client


@pytest.fixture(params=["before Settings", "after Settings"])
def either(request: pytest.FixtureRequest, client: RawClient) -> RawClient:
    """Before Settings the gateway keeps every text until it is whole; from then on it only reads along."""
    if request.param == "after Settings":
        client.send(TEXT, SETTINGS)
        client.receive()
    return client


def end_of(client: RawClient) -> Close | None:
    """Read to the end, answering a Close as a client must; return that Close, None where none came."""
    close = None
    try:
        while True:
            frame = client.receive()
            if frame.opcode == CLOSE:
                close = Close.parse(frame.data)
                client.send(CLOSE, frame.data)
    except (EOFError, ConnectionError):
        return close


# Cut anywhere -------------------------------------------------------------------------------------------------------

SHORT, LONG, AUDIO = b'{"type": "X"}', b'{"type": "Y", "z": "' + b"z" * 120 + b'"}', bytes(range(150))
CAME = [(TEXT, SHORT, True), (TEXT, LONG, True), (BINARY, AUDIO, True)]


def stream(*, mask: bool) -> bytes:
    """Three messages: with a short length, with a longer one, in fragments."""
    texts = wire(TEXT, SHORT, mask=mask) + wire(TEXT, LONG, mask=mask)
    begin, end = wire(BINARY, AUDIO[:50], final=False, mask=mask), wire(CONTINUATION, AUDIO[50:], mask=mask)
    return texts + begin + end


def send_in_pieces(client: RawClient, bystander: ClientConnection, *pieces: bytes) -> None:
    """The gateway reads each piece before the next one is sent."""
    for piece in pieces:
        client.socket.sendall(piece)
        assert bystander.ping().wait(10)


def test_messages_of_a_client_may_be_cut_at_any_byte(either: RawClient, bystander: ClientConnection) -> None:
    sent = stream(mask=True)
    for at in range(1, len(sent)):
        send_in_pieces(either, bystander, sent[:at], sent[at:])
        assert [either.receive() for _ in CAME] == CAME, at


def test_messages_of_a_client_may_come_byte_by_byte(either: RawClient, bystander: ClientConnection) -> None:
    send_in_pieces(either, bystander, *(bytes([byte]) for byte in stream(mask=True)))
    assert [either.receive() for _ in CAME] == CAME


def test_what_the_vendor_sends_may_be_cut_at_any_byte(client: RawClient) -> None:
    sent = stream(mask=False)
    passes = [*CAME[:2], (BINARY, AUDIO[:50], False), (CONTINUATION, AUDIO[50:], True)]
    for at in range(1, len(sent)):
        client.send(TEXT, do("write", sent[:at], sent[at:]))
        assert [client.receive() for _ in passes] == passes, at
    client.send(TEXT, do("write", *(bytes([byte]) for byte in sent)))
    assert [client.receive() for _ in passes] == passes


def test_what_comes_with_the_request_waits_for_the_101_and_keeps_its_order(
    gateway: RunningGateway, bystander: ClientConnection
) -> None:
    early = wire(TEXT, SETTINGS) + wire(BINARY, AUDIO * 100) + wire(TEXT, LONG)
    with RawClient(gateway, gateway.grant().token, early=early) as client:
        opcode, settings, _ = client.receive()
        assert (opcode, len(json.loads(settings)["tags"])) == (TEXT, 1)
        assert [client.receive(), client.receive()] == [(BINARY, AUDIO * 100, True), (TEXT, LONG, True)]


# In fragments, with control frames between ---------------------------------------------------------------------------


def test_a_clients_pings_pass_between_fragments(either: RawClient) -> None:
    either.send(TEXT, b'{"type": ', final=False)
    either.send(PING, b"one")
    either.send(CONTINUATION, b"", final=False)
    either.send(PONG, b"nobody asked")
    either.send(CONTINUATION, b'"Z"', final=False)
    either.send(PING, b"")
    assert [either.receive(), either.receive()] == [(PONG, b"one", True), (PONG, b"", True)]
    either.send(CONTINUATION, b"}")
    assert either.receive() == (TEXT, b'{"type": "Z"}', True)


def test_the_vendors_pings_pass_between_fragments(either: RawClient) -> None:
    frames = [
        (TEXT, b'{"type": ', False),
        (PING, b"one", True),
        (CONTINUATION, b"", False),
        (PONG, b"nobody asked", True),
        (CONTINUATION, b'"Z"}', True),
        (BINARY, AUDIO, False),
        (PING, b"", True),
        (CONTINUATION, b"", True),
    ]
    either.send(TEXT, do("write", *(wire(opcode, data, final=final, mask=False) for opcode, data, final in frames)))
    assert [either.receive() for _ in frames] == frames


# Large --------------------------------------------------------------------------------------------------------------


def large(opcode: int) -> bytes:
    if opcode == BINARY:
        return os.urandom(16 * MIB)
    return b'{"type": "L", "x": "' + "ä".encode() * (8 * MIB - 11) + b'"}'


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
@pytest.mark.parametrize("fragments", [1, 16])
def test_a_message_of_16_mib_passes_both_ways_unchanged(either: RawClient, opcode: int, fragments: int) -> None:
    message = large(opcode)
    assert len(message) == 16 * MIB
    size = len(message) // fragments
    for number in range(fragments):
        piece = message[number * size : (number + 1) * size]
        either.send(opcode if number == 0 else CONTINUATION, piece, final=number == fragments - 1)
    back = either.receive()
    # Never let pytest explain how two such messages differ.
    assert (back[0], len(back[1]), back[2]) == (opcode, len(message), True)
    assert back[1] == message or pytest.fail("it is another one")


def test_settings_that_are_too_long_to_read_hold_nobody_up_and_pass_as_they_are(
    client: RawClient, bystander: ClientConnection
) -> None:
    """To look for the place of the tag in as many blanks would take seconds."""
    settings = b"{" + b" " * (15 * MIB) + b'"type": "Settings"}'
    client.send(TEXT, settings)
    begun = time.monotonic()
    bystander.send("meanwhile")
    assert bystander.recv(10) == "meanwhile"
    assert time.monotonic() - begun < 1
    assert client.receive().data == settings


# Ends of the vendor's -----------------------------------------------------------------------------------------------


def closed(vendor: Vendor, client: RawClient) -> Seen:
    """Wait until the vendor's connection of this client is closed."""
    (seen,) = [seen for seen in vendor.connections if seen.request_id == client.request_id]
    wait_until(lambda: seen.closed_at is not None)
    return seen


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "going away"), (1011, "failed"), (3000, ""), (4999, "ä" * 61 + "!")]
)
def test_the_vendors_close_passes_as_it_is_and_is_answered_with_1000(
    client: RawClient, vendor: Vendor, code: int, reason: str
) -> None:
    client.send(TEXT, do("close", code=str(code), reason=reason))
    assert end_of(client) == Close(code, reason)
    assert closed(vendor, client).close_code == 1000


UNUSUAL = {
    "none": b"",
    "half a code": b"\x03",
    "one that stands for none": (1005).to_bytes(2, "big"),
    "one that is never sent": (1006).to_bytes(2, "big") + b"abnormal",
    "a small one": (7).to_bytes(2, "big"),
    "the largest": b"\xff\xff",
    "a reason that is no text": (4000).to_bytes(2, "big") + b"\xff\xfe",
    "a reason that grows when it is read": (4000).to_bytes(2, "big") + b"\xff" * 123,
}


@pytest.mark.parametrize("payload", UNUSUAL)
def test_an_unusual_close_of_the_vendors_ends_its_own_session_only(
    client: RawClient, vendor: Vendor, payload: str
) -> None:
    client.send(TEXT, do("write", wire(CLOSE, UNUSUAL[payload], mask=False)))
    frame = client.receive()
    assert frame.opcode == CLOSE
    assert len(frame.data) <= 125
    if len(UNUSUAL[payload]) >= 2 and payload != "one that stands for none":
        assert frame.data[:2] == UNUSUAL[payload][:2]
    else:
        assert frame.data == b""
    client.send(CLOSE, b"")
    assert end_of(client) is None
    assert closed(vendor, client).close_code == 1000


@pytest.mark.parametrize("how", ["leave", "reset"])
@pytest.mark.parametrize("inside", [b"", wire(BINARY, AUDIO, mask=False)[:99]], ids=["between frames", "inside one"])
def test_when_the_vendor_is_lost_its_client_gets_4503(client: RawClient, how: str, inside: bytes) -> None:
    client.send(TEXT, do(how, inside))
    close = end_of(client)
    assert close is not None
    assert (close.code, close.reason) == (4503, "the vendor's connection was lost")


def test_when_the_vendor_is_lost_inside_a_long_frame_its_client_is_cut_off(client: RawClient) -> None:
    """A Close there would be taken for audio."""
    sent = wire(BINARY, bytes(MIB), mask=False)[: MIB // 2]
    client.send(TEXT, do("leave", sent))
    came = client.rest()
    assert sent.startswith(came)


# Ends of the client's -----------------------------------------------------------------------------------------------


def test_a_client_that_will_send_no_more_is_gone(client: RawClient, vendor: Vendor) -> None:
    client.socket.shutdown(socket.SHUT_WR)
    assert closed(vendor, client).close_code == 1000
    assert end_of(client) is None


@pytest.mark.parametrize("sent", [b"", wire(BINARY, AUDIO)[:99]], ids=["between frames", "inside one"])
def test_a_client_that_is_gone_is_closed_at_the_vendor(client: RawClient, vendor: Vendor, sent: bytes) -> None:
    client.socket.sendall(sent)
    client.reset()
    assert closed(vendor, client).close_code == 1000


def test_a_client_that_is_gone_inside_a_long_frame_is_cut_off_at_the_vendor(
    client: RawClient, vendor: Vendor, bystander: ClientConnection
) -> None:
    """A Close there would be taken for what was missing of the audio."""
    close = len(wire(CLOSE, b"\x03\xe8"))
    send_in_pieces(client, bystander, wire(BINARY, bytes(MIB))[:-close])
    client.reset()
    seen = closed(vendor, client)
    assert (seen.close_code, seen.messages) == (1006, [])


def test_nothing_passes_after_a_clients_close(client: RawClient, vendor: Vendor) -> None:
    client.socket.sendall(wire(CLOSE, b"\x0f\xa0") + wire(TEXT, do("close", code="4001", reason="too late")))
    assert end_of(client) == Close(4000, "")
    assert closed(vendor, client).close_code == 1000


# Frames that break the protocol --------------------------------------------------------------------------------------

LAWLESS = {
    "a reserved opcode": (Sent(RESERVED, b"x", key=KEY), 1002),
    "a reserved control frame": (Sent(RESERVED_CONTROL, b"x", key=KEY), 1002),
    "a reserved bit": (Sent(BINARY, b"x", reserved_bits=4, key=KEY), 1002),
    "no mask": (Sent(BINARY, b"x"), 1002),
    "a long ping": (Sent(PING, bytes(126), key=KEY), 1002),
    "a ping in fragments": (Sent(PING, b"x", final=False, key=KEY), 1002),
    "an end without a beginning": (Sent(CONTINUATION, b"x", key=KEY), 1002),
    "a text that is none": (Sent(TEXT, b"\xff\xfe", key=KEY), 1007),
}


@pytest.mark.parametrize("kind", LAWLESS)
def test_a_frame_against_the_protocol_passes_for_the_vendor_to_refuse(
    either: RawClient, vendor: Vendor, kind: str
) -> None:
    sent, code = LAWLESS[kind]
    either.socket.sendall(sent.wire)
    close = end_of(either)
    assert close is not None
    assert close.code == code
    closed(vendor, either)


def test_a_frame_without_an_end_ends_with_its_client(
    client: RawClient, vendor: Vendor, bystander: ClientConnection
) -> None:
    """Its length is more than there is of anything; all of it would be audio."""
    send_in_pieces(client, bystander, b"\x82\xff" + (2**63 - 1).to_bytes(8, "big") + KEY, bytes(MIB))
    client.reset()
    assert closed(vendor, client).close_code == 1006


@pytest.mark.parametrize("kind", LAWLESS)
def test_a_frame_of_the_vendors_against_the_protocol_passes_for_the_client_to_refuse(
    client: RawClient, kind: str
) -> None:
    sent, _ = LAWLESS[kind]
    client.send(TEXT, do("write", sent.wire))
    assert client.read(len(sent.wire)) == sent.wire
    client.send(CLOSE, b"\x03\xea")
    assert end_of(client) is not None
