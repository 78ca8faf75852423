"""Who stops reading stalls its own session, and no other; and its cut comes on time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.conftest import Project
from tests.process.test_door import Door, opened
from tests.vendor import Seen, Vendor

STALLED = 10
AUDIO = bytes(640)
DEAF_SECONDS = 4


async def floods(connection: ServerConnection, seen: Seen) -> None:
    """Says Welcome, then sends as fast as it can; a client that says "echo" gets its own audio back instead."""
    await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
    seen.settings = json.loads(await connection.recv())
    await connection.send('{"type":"SettingsApplied"}')
    if seen.settings.get("echo"):
        async for data in connection:
            await connection.send(data)
    while True:
        await connection.send(AUDIO)


async def never_reads(connection: ServerConnection, seen: Seen) -> None:
    """As above, but deaf behind the Settings."""
    await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
    seen.settings = json.loads(await connection.recv())
    await connection.send('{"type":"SettingsApplied"}')
    if seen.settings.get("echo"):
        async for data in connection:
            await connection.send(data)
    connection.transport.pause_reading()
    await asyncio.sleep(DEAF_SECONDS)
    connection.transport.abort()


def session(door: Door, stack: ExitStack, **settings: bool) -> ClientConnection:
    headers = {"Authorization": f"Token {door.token}"}
    url = f"ws://127.0.0.1:{door.port}/v1/agent/converse"
    websocket = stack.enter_context(
        connect(url, additional_headers=headers, proxy=None, compression=None, max_queue=1, close_timeout=0.1)
    )
    websocket.recv()
    websocket.send(json.dumps({"type": "Settings", **settings}))
    websocket.recv()
    return websocket


def round_trips(websocket: ClientConnection, count: int) -> float:
    """The longest of so many, in milliseconds."""
    longest = 0.0
    for _ in range(count):
        sent_at = time.monotonic()
        websocket.send(AUDIO)
        websocket.recv()
        longest = max(longest, time.monotonic() - sent_at)
        time.sleep(0.01)
    return longest * 1000


@contextlib.contextmanager
def sending(websockets: list[ClientConnection]) -> Iterator[None]:
    """Send on all of them until each is stuck, on threads that end with their connections."""

    def send(websocket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while True:
                websocket.send(AUDIO)

    threads = [threading.Thread(target=send, args=(websocket,)) for websocket in websockets]
    for thread in threads:
        thread.start()
    yield
    for websocket in websockets:
        websocket.socket.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("deaf", ["clients", "the vendor"])
def test_a_side_that_stops_reading_stalls_its_own_session_only(tmp_path: Path, deaf: str) -> None:
    with ExitStack() as stack:
        vendor = stack.enter_context(Vendor(floods if deaf == "clients" else never_reads))
        door = stack.enter_context(opened(vendor, tmp_path))
        lively = session(door, stack, echo=True)
        round_trips(lively, 10)
        idle_mib = door.resident_mib()
        stalled = [session(door, stack) for _ in range(STALLED)]
        stack.enter_context(sending(stalled if deaf == "the vendor" else []))
        longest = round_trips(lively, 100)
        each_mib = (door.resident_mib() - idle_mib) / STALLED
        print(f"longest round trip beside it {longest:.1f} ms, {each_mib:.2f} MiB for each stalled session")
        assert each_mib < 1
        assert longest < 1000


STALLS = {
    "the client": """
import time, pytest
from websockets.sync.client import connect

@pytest.mark.dg_budget("2s")
def test_never_reads(voice_agent):
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    url = voice_agent.endpoint.agent_url
    websocket = connect(url, additional_headers=headers, proxy=None, max_queue=1, close_timeout=0)
    websocket.recv()
    websocket.send('{"type": "Settings"}')
    time.sleep(3)
""",
    "the vendor": """
import threading, time, pytest
from websockets.sync.client import connect

@pytest.mark.dg_budget("2s")
def test_floods(voice_agent):
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    websocket = connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None, close_timeout=0)
    websocket.recv()
    websocket.send('{"type": "Settings"}')
    until = time.monotonic() + 3
    try:
        while time.monotonic() < until:
            websocket.send(bytes(640))
    except Exception:
        pass
""",
}


@pytest.mark.parametrize("deaf", STALLS)
def test_i4_a_stalled_session_is_cut_on_time(project: Project, deaf: str) -> None:
    project.write("test_it.py", STALLS[deaf])
    with Vendor(floods if deaf == "the client" else never_reads) as vendor:
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 1, result.output
    (cut,) = result.usage["sessions"]
    assert cut["closed_by"] == "test-budget"
    assert 1.75 < cut["seconds"] <= 2
    assert result.usage["run"]["overshoot_seconds"] == 0
