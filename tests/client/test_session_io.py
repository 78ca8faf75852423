"""A session on its way to being ready, and its keep-alives, against a server that a test scripts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.client.session_io import SessionIO
from pytest_dgbudget.errors import DgBudgetError, ExpectTimeout, SessionClosed

SETTINGS = {"type": "Settings", "agent": {}}
KEEP_ALIVE = {"type": "KeepAlive"}


async def why_closed(closed: ConnectionClosed) -> DgBudgetError:
    return SessionClosed(str(closed), code=1000, reason="", closed_by="server")


@asynccontextmanager
async def session_with(
    server: Callable[[ServerConnection], Awaitable[None]], **options: Any
) -> AsyncIterator[SessionIO]:
    async with serve(server, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        websocket = await connect(f"ws://127.0.0.1:{port}", proxy=None)
        session = SessionIO(websocket, "id", SETTINGS, why_closed, **options)
        try:
            yield session
        finally:
            await session.close()


def test_a_welcome_that_does_not_come_is_named_and_nothing_is_sent_before_it() -> None:
    received: list[str | bytes] = []

    async def silent(websocket: ServerConnection) -> None:
        received.extend([message async for message in websocket])

    async def begin() -> None:
        async with session_with(silent, ready_seconds=0.3, keep_alive_seconds=0.05) as session:
            with pytest.raises(ExpectTimeout, match=r"no Welcome within 0\.3 s; came instead: nothing"):
                await session.begin()

    asyncio.run(begin())
    assert received == []


def test_keep_alives_go_out_once_settings_are_sent() -> None:
    received = []

    async def welcoming(websocket: ServerConnection) -> None:
        await websocket.send(json.dumps({"type": "Welcome", "request_id": "r"}))
        received.append(json.loads(await websocket.recv()))
        await websocket.send(json.dumps({"type": "SettingsApplied"}))
        received.append(json.loads(await websocket.recv()))
        await websocket.send(json.dumps({"type": "Seen"}))

    async def begin_and_wait() -> None:
        async with session_with(welcoming, keep_alive_seconds=0.05) as session:
            await session.begin()
            assert session.request_id == "r"
            await session.until(lambda: session.received.messages[2:] or None, 5, "Seen", 0)

    asyncio.run(begin_and_wait())
    assert received == [SETTINGS, KEEP_ALIVE]


def test_after_audio_a_keep_alive_goes_out_when_it_is_due_and_no_later() -> None:
    async def welcoming(websocket: ServerConnection) -> None:
        await websocket.send(json.dumps({"type": "Welcome", "request_id": "r"}))
        await websocket.recv()
        await websocket.send(json.dumps({"type": "SettingsApplied"}))
        assert isinstance(await websocket.recv(), bytes)
        heard_at = time.monotonic()
        assert json.loads(await websocket.recv()) == KEEP_ALIVE
        await websocket.send(json.dumps({"type": "Waited", "seconds": time.monotonic() - heard_at}))

    async def begin_and_wait() -> None:
        async with session_with(welcoming, keep_alive_seconds=2) as session:
            await session.begin()
            await asyncio.sleep(0.3)  # so that a look every second would come too soon, and the next one too late
            await session.send(bytes(10))
            (waited,) = await session.until(lambda: session.received.messages[2:] or None, 5, "Waited", 0)
            assert 1.9 < waited.data["seconds"] < 3.5

    asyncio.run(begin_and_wait())
