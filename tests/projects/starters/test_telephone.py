"""A caller: the application runs in an event loop of its own, in a thread of pytest's."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator

import pytest
import telephone_app
from websockets.asyncio.server import Server, serve
from websockets.sync.client import connect

SILENCE = base64.b64encode(b"\xff" * 160).decode()  # 20 ms


async def _served() -> Server:
    server: Server = await serve(telephone_app.answer_call, "127.0.0.1", 0)
    return server


async def _closed(server: Server) -> None:
    server.close()
    await server.wait_closed()


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_served(), loop).result(10)
    yield server.sockets[0].getsockname()[1]
    asyncio.run_coroutine_threadsafe(_closed(server), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def heard(port: int, seconds: float) -> bytes:
    """Return what a caller hears first: so much of the agent's greeting, in mu-law."""
    audio = b""
    with connect(f"ws://127.0.0.1:{port}", proxy=None) as call:
        call.send(json.dumps({"event": "start", "start": {"streamSid": "MZ1"}}))
        while len(audio) < seconds * 8000:
            call.send(json.dumps({"event": "media", "media": {"payload": SILENCE}}))
            event = json.loads(call.recv(10))
            assert event["streamSid"] == "MZ1"
            audio += base64.b64decode(event["media"]["payload"])
        call.send(json.dumps({"event": "stop"}))
    return audio


def test_a_caller_is_greeted(port: int) -> None:
    assert set(heard(port, 0.2)) > {0xFF}


def test_two_callers_are_greeted(port: int) -> None:
    assert heard(port, 0.2)
    assert heard(port, 0.2)
