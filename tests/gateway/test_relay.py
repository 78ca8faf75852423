"""The relay and its states, fed with frames and times; and its two transports, where it takes a socket to fill one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.clock import MeteringLoop, metering_loop
from pytest_dgbudget.gateway.frames import BINARY, CLOSE, TEXT, Close, frame
from pytest_dgbudget.gateway.leg import _WRITE_HIGH_WATER
from pytest_dgbudget.gateway.relay import CLOSE_MS, Relay
from pytest_dgbudget.gateway.relay_states import ClientState, RelayState
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.protocol.codes import UPSTREAM_LOST
from tests.gateway.conversations import conversation
from tests.gateway.memory import Carried, ManualClock, MemoryTransport, messages
from tests.gateway.streams import Sent


async def transport_of(near: socket.socket) -> asyncio.Transport:
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
    return transport


def fill(transport: asyncio.Transport, size: int) -> None:
    """Write until so much waits for a peer that reads nothing."""
    while not transport.get_write_buffer_size():
        transport.write(bytes(1000))
    transport.write(bytes(size - transport.get_write_buffer_size()))


@pytest.mark.parametrize("left", [0, 3, 1000])
def test_the_vendors_answer_is_read_also_when_the_close_fills_up_what_a_client_has_not_read(left: int) -> None:
    loop = MeteringLoop()
    loop.run_until_complete(close_with_room_for(left))
    loop.close()


async def close_with_room_for(left: int) -> None:
    near, client_end = socket.socketpair()
    far, vendor_end = socket.socketpair()
    with client_end, vendor_end:
        client, vendor = await transport_of(near), await transport_of(far)
        upstream = Upstream([], None, Carried(vendor))
        relay = Relay(client, upstream, conversation(clock=metering_loop()), lambda _: None, metering_loop())
        relay.start(b"")
        fill(client, _WRITE_HIGH_WATER - left)
        relay.close("test-budget", Close(4402, "used up"))
        assert vendor.is_reading()
        client.abort()
        vendor.abort()
        await asyncio.sleep(0)


# Without sockets ------------------------------------------------------------------------------------------------------

SETTINGS = b'{"type": "Settings", "agent": {}}'
AUDIO = b"\1" * 300
MASK = b"\1\x80\xff\x7e"


class Joined:
    """A relay between two connections in memory, started. Frames of the client's side are masked."""

    def __init__(self, *, rest: bytes = b"", was_lost: bool = False, secrets: Secrets | None = None) -> None:
        self.clock = ManualClock()
        self.client, self.vendor = MemoryTransport(), MemoryTransport()
        self.ended: list[RelayState] = []
        upstream = Upstream([], None, Carried(self.vendor, rest, was_lost), secrets or Secrets())
        self.relay = Relay(
            self.client,
            upstream,
            conversation(clock=self.clock),
            lambda relay: self.ended.append(relay.state),
            self.clock,
        )
        self.relay.start(b"")

    def client_says(self, opcode: int, payload: bytes) -> None:
        if not self.client.lost:
            self.client.feed(frame(opcode, payload, mask=True))

    def vendor_says(self, opcode: int, payload: bytes) -> None:
        if not self.vendor.lost:
            self.vendor.feed(frame(opcode, payload, mask=False))

    def client_gets(self) -> list[tuple[int, bytes]]:
        return messages(self.client.take_written())

    def vendor_gets(self) -> list[tuple[int, bytes]]:
        return messages(self.vendor.take_written())


def closes(code: int, reason: str = "") -> tuple[int, bytes]:
    return CLOSE, code.to_bytes(2, "big") + reason.encode()


def test_what_comes_while_it_is_open_passes_and_settings_gain_the_tag() -> None:
    joined = Joined(rest=frame(TEXT, b"early", mask=False))
    joined.client_says(TEXT, SETTINGS)
    joined.client_says(BINARY, AUDIO)
    joined.vendor_says(BINARY, AUDIO)
    assert joined.vendor_gets() == [(TEXT, b'{"tags": ["tag"], "type": "Settings", "agent": {}}'), (BINARY, AUDIO)]
    assert joined.client_gets() == [(TEXT, b"early"), (BINARY, AUDIO)]
    assert (joined.relay.state, joined.relay.client_state) == (RelayState.OPEN, ClientState.OPEN)
    assert joined.relay.audio_ms() == (6, 6)


BROKEN = {
    "reserved bits": (Sent(TEXT, SETTINGS, key=MASK, reserved_bits=4).wire, 1002, "reserved bits of a frame are set"),
    "reserved bits of audio": (
        Sent(BINARY, AUDIO, key=MASK, reserved_bits=1).wire,
        1002,
        "reserved bits of a frame are set",
    ),
    "a reserved opcode": (frame(0x3, b"?", mask=True), 1002, "a frame has the reserved opcode 3"),
    "no mask": (frame(TEXT, SETTINGS, mask=False), 1002, "a frame is not masked"),
    "audio without a mask": (frame(BINARY, AUDIO, mask=False), 1002, "a frame is not masked"),
    "a fragmented ping": (frame(0x9, b"p", mask=True, final=False), 1002, "a control frame is fragmented"),
    "a long ping": (frame(0x9, bytes(126), mask=True), 1002, "a control frame is longer than 125 bytes"),
    "no UTF-8": (frame(TEXT, b'{"type": "\xff"}', mask=True), 1007, "a text message is not UTF-8"),
    "half a character": (frame(TEXT, b'"\xed\xa0\x80"', mask=True), 1007, "a text message is not UTF-8"),
    "no UTF-8 in fragments": (
        frame(TEXT, b"\xc3", mask=True, final=False) + frame(0, b"", mask=True),
        1007,
        "a text message is not UTF-8",
    ),
}


@pytest.mark.parametrize(("broken", "code", "reason"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("piece", [1, 1000])
def test_what_breaks_the_protocol_before_settings_is_not_mended_but_ends_the_session(
    broken: bytes, code: int, reason: str, piece: int
) -> None:
    joined = Joined()
    sent = frame(BINARY, AUDIO, mask=True) + broken + frame(TEXT, SETTINGS, mask=True) + frame(BINARY, AUDIO, mask=True)
    for at in range(0, len(sent), piece):
        joined.client.feed(sent[at : at + piece])
    assert joined.client_gets() == [closes(code, reason)]
    assert joined.vendor_gets() == [(BINARY, AUDIO), closes(1000)]
    assert (joined.relay.closed_by, joined.relay.close_code, joined.ended) == ("client", code, [])
    joined.vendor_says(*closes(1000))
    assert joined.vendor.ended == "closed"
    joined.vendor.lose()
    joined.client.lose()
    assert (joined.ended, joined.relay.confirmed, joined.clock.timers) == ([RelayState.CLOSED], True, 0)


@pytest.mark.parametrize("broken", [broken for broken, _, _ in BROKEN.values()], ids=BROKEN)
def test_what_breaks_the_protocol_after_settings_passes_for_the_vendor_to_refuse(broken: bytes) -> None:
    joined = Joined()
    joined.client_says(TEXT, SETTINGS)
    joined.vendor_gets()
    joined.client.feed(broken)
    assert joined.vendor.take_written() == broken
    assert joined.relay.state is RelayState.OPEN


KEY = b"the-real-key"


def test_i9_nothing_that_the_vendor_says_passes_with_its_key() -> None:
    joined = Joined(secrets=Secrets(KEY.decode()))
    joined.vendor_says(TEXT, b'{"type": "Welcome", "request_id": "' + KEY + b'"}')
    joined.vendor_says(BINARY, b"\0" + KEY)
    joined.vendor_says(0x9, KEY)
    joined.vendor_says(*closes(1008, f"{KEY.decode()} has no credit"))
    blank = b"*" * len(KEY)
    assert joined.client_gets() == [
        (TEXT, b'{"type": "Welcome", "request_id": "' + blank + b'"}'),
        (BINARY, b"\0" + blank),
        (0x9, blank),
        closes(1008, "*** has no credit"),
    ]
    assert joined.relay.inspection.request_id == blank.decode()


@pytest.mark.parametrize("at", range(len(KEY) + 1))
def test_i9_a_key_that_comes_in_two_pieces_of_a_long_frame_is_found_and_no_byte_stays_behind(at: int) -> None:
    joined = Joined(secrets=Secrets(KEY.decode()))
    long = bytes(70_000) + KEY + b"the-end"
    sent, cut = frame(BINARY, long, mask=False), 10 + 70_000 + at
    joined.vendor.feed(sent[:cut])
    joined.vendor.feed(sent[cut:])
    assert joined.client_gets() == [(BINARY, bytes(70_000) + b"*" * len(KEY) + b"the-end")]


def test_only_messages_that_come_several_at_once_are_let_gather() -> None:
    joined = Joined()
    joined.vendor_says(BINARY, AUDIO)
    assert joined.clock.gathered == 0
    joined.vendor.feed(frame(BINARY, AUDIO, mask=False) * 2)
    assert joined.clock.gathered == 1


def test_both_sides_get_a_close_and_the_vendors_end_is_the_relays() -> None:
    joined = Joined()
    assert joined.relay.close("test-budget", Close(4402, "used up"))
    assert joined.client_gets() == [closes(4402, "used up")]
    assert joined.vendor_gets() == [closes(1000)]
    assert (joined.relay.state, joined.relay.client_state) == (RelayState.CLOSING, ClientState.CLOSING)
    joined.vendor_says(BINARY, AUDIO)
    joined.client_says(BINARY, AUDIO)
    assert (joined.client_gets(), joined.vendor_gets()) == ([], [])
    joined.client_says(*closes(4402))
    joined.vendor_says(*closes(1000))
    assert (joined.client.ended, joined.vendor.ended) == ("closed", "closed")
    joined.clock.advance(20)
    joined.vendor.lose()
    assert joined.ended == [RelayState.CLOSED]
    assert (joined.relay.closed_by, joined.relay.close_code) == ("test-budget", 4402)
    assert (joined.relay.closed_at_ms, joined.relay.confirmed) == (joined.clock.now_ms(), True)
    joined.client.lose()
    assert joined.clock.timers == 0


@pytest.mark.parametrize("ends", ["the budget ends", "the vendor closes"])
def test_what_a_client_says_after_the_end_passes_nowhere_and_counts_nowhere(ends: str) -> None:
    joined = Joined()
    joined.client_says(BINARY, AUDIO)
    STEPS[ends](joined)
    joined.vendor_gets()
    moved_ms = joined.relay.inspection.last_moved_ms
    joined.clock.advance(10)
    joined.client_says(BINARY, AUDIO)
    joined.client_says(TEXT, SETTINGS)
    assert joined.vendor_gets() == []
    assert joined.relay.audio_ms() == (6, 0)
    assert (joined.relay.inspection.configured, joined.relay.inspection.last_moved_ms) == (False, moved_ms)


def test_a_second_end_changes_nothing() -> None:
    joined = Joined()
    joined.relay.close("teardown", Close(4410, "over"))
    assert not joined.relay.close("test-budget", Close(4402, "used up"))
    assert (joined.relay.closed_by, len(joined.client_gets()), len(joined.vendor_gets())) == ("teardown", 1, 1)


def test_a_frame_of_the_clients_is_finished_before_the_vendor_gets_its_close() -> None:
    joined = Joined()
    long_frame = frame(BINARY, bytes(70_000), mask=True)
    joined.client.feed(long_frame[:40_000])
    joined.relay.close("teardown", Close(4410, "over"))
    states = [joined.relay.state]
    for rest in (long_frame[40_000:60_000], long_frame[60_000:]):
        joined.client.feed(rest)
        states.append(joined.relay.state)
    assert states == [RelayState.FINISHING_FRAME, RelayState.FINISHING_FRAME, RelayState.CLOSING]
    assert joined.vendor_gets() == [(BINARY, bytes(70_000)), closes(1000)]


def test_a_client_inside_a_frame_of_the_vendors_is_aborted() -> None:
    joined = Joined()
    joined.vendor.feed(frame(BINARY, bytes(70_000), mask=False)[:66_000])
    joined.relay.close("teardown", Close(4410, "over"))
    assert (joined.client.ended, joined.vendor.ended) == ("aborted", None)


def test_a_vendor_that_does_not_answer_is_aborted_and_its_end_is_unconfirmed() -> None:
    joined = Joined()
    joined.relay.close("teardown", Close(4410, "over"))
    joined.clock.advance(CLOSE_MS - 1)
    assert (joined.vendor.ended, joined.client.ended) == (None, None)
    joined.clock.advance(1)
    assert (joined.vendor.ended, joined.client.ended) == ("aborted", "aborted")
    joined.vendor.lose()
    assert (joined.relay.state, joined.relay.confirmed) == (RelayState.CLOSED, False)


def test_a_client_that_closes_gets_its_own_close_back_when_the_vendor_is_closed() -> None:
    joined = Joined()
    joined.client_says(*closes(3000, "bye"))
    assert (joined.vendor_gets(), joined.client_gets()) == ([closes(1000)], [])
    assert (joined.relay.state, joined.relay.client_state) == (RelayState.CLOSING, ClientState.OPEN)
    joined.vendor_says(*closes(1000))
    joined.vendor.lose()
    assert joined.client_gets() == [closes(3000, "bye")]
    assert joined.client.ended == "closed"
    assert (joined.relay.closed_by, joined.relay.close_code) == ("client", 3000)


def test_a_close_of_the_vendors_passes_to_the_client() -> None:
    joined = Joined()
    joined.vendor_says(*closes(1011, "oops"))
    assert (joined.client_gets(), joined.vendor.ended) == ([closes(1011, "oops")], "closed")
    assert (joined.relay.closed_by, joined.relay.close_code) == ("server", 1011)


@pytest.mark.parametrize("before_the_start", [False, True])
def test_a_vendor_that_is_lost_ends_it_at_once(before_the_start: bool) -> None:
    joined = Joined(was_lost=before_the_start)
    if not before_the_start:
        joined.vendor.lose()
    assert joined.client_gets() == [closes(UPSTREAM_LOST, "the vendor's connection was lost")]
    assert (joined.ended, joined.relay.closed_by) == ([RelayState.CLOSED], "network")


def test_a_client_that_vanishes_costs_the_vendor_a_close_and_may_be_its_owners_end() -> None:
    joined = Joined()
    joined.client.lose()
    assert (joined.relay.state, joined.relay.client_state) == (RelayState.CLOSING, ClientState.GONE)
    assert joined.vendor_gets() == [closes(1000)]
    assert joined.relay.client_vanished
    joined.relay.close("owner-lost", Close(4410, "gone"))
    assert (joined.relay.closed_by, joined.relay.client_vanished) == ("owner-lost", False)


STEPS: dict[str, Callable[[Joined], object]] = {
    "the budget ends": lambda joined: joined.relay.close("test-budget", Close(4402, "")),
    "the owner is lost": lambda joined: joined.relay.close("owner-lost", Close(4410, "")),
    "the allowance ends": lambda joined: joined.relay.abort(),
    "half a second passes": lambda joined: joined.clock.advance(CLOSE_MS // 2),
    "the client speaks": lambda joined: joined.client_says(BINARY, AUDIO),
    "the client closes": lambda joined: joined.client_says(*closes(1000)),
    "the client is lost": lambda joined: joined.client.lose(),
    "the vendor speaks": lambda joined: joined.vendor_says(BINARY, AUDIO),
    "the vendor closes": lambda joined: joined.vendor_says(*closes(1000)),
    "the vendor is lost": lambda joined: joined.vendor.lose(),
}
ORDER = list(RelayState)


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=8))
def test_whatever_happens_in_whatever_order_it_ends_once_and_never_goes_back(steps: list[str]) -> None:
    joined = Joined()
    seen = [joined.relay.state]
    for step in [*steps, "the budget ends", "half a second passes", "half a second passes"]:
        STEPS[step](joined)
        seen.append(joined.relay.state)
    assert [ORDER.index(state) for state in seen] == sorted(ORDER.index(state) for state in seen)
    to_vendor, to_client = joined.vendor_gets(), joined.client_gets()
    assert sum(opcode == CLOSE for opcode, _ in to_vendor) <= 1
    assert sum(opcode == CLOSE for opcode, _ in to_client) <= 1
    assert joined.vendor.lost or joined.vendor.ended is not None
    joined.vendor.lose()
    joined.client.lose()
    assert joined.ended == [RelayState.CLOSED]
    assert joined.relay.closed_by is not None
    assert joined.clock.timers == 0
