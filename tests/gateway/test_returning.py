"""A client whose session the end of a test closed, and that opens one in another test a moment later."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from pytest_dgbudget.gateway.returning import ReturningClients, SessionClient, process_of_peer

pytestmark = pytest.mark.asyncio


def client(user_agent: str, process: int | None) -> SessionClient:
    known: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    known.set_result(process)
    return SessionClient(user_agent, known)


@pytest.mark.parametrize(
    ("first", "second", "is_back"),
    [
        (("a", 1), ("b", 1), True),
        (("a", 1), ("a", 2), False),
        (("a", None), ("a", 2), True),
        (("a", None), ("b", None), False),
    ],
)
async def test_a_client_is_the_same_by_its_process_or_else_by_its_user_agent(
    first: tuple[str, int | None], second: tuple[str, int | None], is_back: bool
) -> None:
    returning = ReturningClients()
    returning.closed("test_a", client(*first))
    assert returning.earlier_test("test_b", client(*second)) == ("test_a" if is_back else None)
    assert returning.earlier_test("test_a", client(*second)) is None


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="there is no /proc")  # noqa: PTH110
async def test_the_process_at_the_other_end_of_a_connection_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as peer:
        assert process_of_peer(peer.getsockname()[1]) == os.getpid()
