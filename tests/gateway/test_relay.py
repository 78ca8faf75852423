"""The relay's two transports, where a whole gateway meets a case too rarely."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pytest_dgbudget.gateway.clock import MeteringLoop
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.relay import _WRITE_HIGH_WATER, Relay
from pytest_dgbudget.gateway.services.deepgram_agent import Conversation
from pytest_dgbudget.gateway.upstream import Upstream
from tests.gateway.memory import Carried


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
        relay = Relay(client, upstream, Conversation("tag", lambda _: None), lambda: None)
        relay.start(b"")
        fill(client, _WRITE_HIGH_WATER - left)
        relay.close("test-budget", Close(4402, "used up"))
        assert vendor.is_reading()
        client.abort()
        vendor.abort()
        await asyncio.sleep(0)
