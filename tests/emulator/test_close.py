"""How the client's Close is answered."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.frames import Close

from pytest_dgbudget.emulator.journal import TO_CLIENT, TO_SERVER
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import until
from tests.support.emulator_client import session

pytestmark = pytest.mark.asyncio


async def close(connection: ClientConnection, code: int | None) -> None:
    """Send a Close; one without a code, as JavaScript's ``close()`` sends it, for None."""
    async with connection.send_context():
        connection.protocol.send_close(code, "" if code is None else "bye")
    await connection.wait_closed()


@pytest.mark.parametrize("code", [None, 1000, 1001, 4000])
async def test_the_clients_close_is_answered_with_1000_whatever_its_code(emulator: Emulator, code: int | None) -> None:
    async with session(emulator) as client:
        await close(client.connection, code)
        protocol = client.connection.protocol
        assert (protocol.close_rcvd, protocol.close_rcvd_then_sent) == (Close(1000, ""), False)


async def test_the_journal_has_both_closes_with_their_own_codes(emulator: Emulator) -> None:
    async with session(emulator) as client:
        await close(client.connection, 4000)

    def records() -> list[Any]:
        return [(each["direction"], each["payload"]) for each in emulator._journal.of("default")]

    await until(lambda: records()[-1][1]["type"] == "(end)")
    assert records()[-3:-1] == [
        (TO_SERVER, {"type": "(close)", "code": 4000, "reason": "bye"}),
        (TO_CLIENT, {"type": "(close)", "code": 1000, "reason": ""}),
    ]


async def test_a_close_that_breaks_the_protocol_is_answered_with_1002(emulator: Emulator) -> None:
    async with session(emulator) as client:
        connection = client.connection
        connection.transport.write(b"\x88\x81\0\0\0\0x")  # half a code
        await connection.wait_closed()
        assert connection.close_code == 1002
