"""A client for the tests: sends objects, waits for messages by type, checks their form, keeps everything in order."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response

from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.rules.audio import AudioFormat
from tests.support import vendor_messages

PATIENCE = 30.0  # seconds; nothing here takes one on a quiet machine
SETTINGS: dict[str, Any] = {
    "type": "Settings",
    "flags": {"history": False},
    "audio": {
        "input": {"encoding": "linear16", "sample_rate": 16000},
        "output": {"encoding": "linear16", "sample_rate": 16000},
    },
    "agent": {},
}
INPUT = AudioFormat("linear16", 16000)
SPEECH = b"".join(voice.frames(INPUT, 1000))
SILENCE = bytes(32 * 600)
ORDER = {
    "name": "get_order_status",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
}


class Client:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seen: list[Any] = []

    async def send(self, type: str, **fields: Any) -> None:  # noqa: A002  the protocol's word
        await self.connection.send(json.dumps({"type": type, **fields}))

    async def next(self) -> Any:
        """The next message: an object, or bytes."""
        raw = await asyncio.wait_for(self.connection.recv(), PATIENCE)
        message = raw if isinstance(raw, bytes) else json.loads(raw)
        if not isinstance(message, bytes):
            vendor_messages.check(message)
        self.seen.append(message)
        return message

    async def until(self, kind: str) -> dict[str, Any]:
        """Read on to a message of this type."""
        while True:
            message = await self.next()
            if isinstance(message, dict) and message["type"] == kind:
                return message

    async def start(self, **changes: Any) -> None:
        await self.connection.send(json.dumps({**SETTINGS, **changes}))
        await self.until("SettingsApplied")

    async def rest(self) -> list[Any]:
        """Read to the end of the session."""
        before = len(self.seen)
        try:
            while True:
                await self.next()
        except ConnectionClosed:
            return self.seen[before:]

    async def failure(self) -> str:
        """The code of the Error that ends the session; nothing may follow it."""
        last = (await self.rest())[-1]
        assert last["type"] == "Error", last
        assert last["description"]
        return str(last["code"])

    def said(self) -> list[dict[str, Any]]:
        """The messages that are not audio."""
        return [each for each in self.seen if isinstance(each, dict)]

    def types(self) -> list[str]:
        return ["audio" if isinstance(each, bytes) else each["type"] for each in self.seen]


@asynccontextmanager
async def session(emulator: Emulator, **settings: Any) -> AsyncIterator[Client]:
    """An open session, past SettingsApplied when settings are given."""
    headers = {"Authorization": f"Token {emulator.api_key}"}
    # Without max_queue a close waits 10 s for messages that are not read.
    async with connect(
        emulator.agent_url, additional_headers=headers, proxy=None, max_queue=None, max_size=None
    ) as connection:
        client = Client(connection)
        await client.until("Welcome")
        if settings:
            await client.start(**settings)
        yield client


def deaf_session(agent_url: str, api_key: str) -> socket.socket:
    """A session whose client reads nothing, and whose server has more to say than the sockets hold."""
    url = urlsplit(agent_url)
    raw = socket.create_connection((url.hostname or "", url.port or 0))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(
        f"GET {url.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Authorization: Token {api_key}\r\n\r\n".encode()
    )
    assert raw.recv(12) == b"HTTP/1.1 101"
    for message in (SETTINGS, {"type": "InjectUserMessage", "content": "x" * 8_000_000}):
        raw.sendall(frame(json.dumps(message).encode()))
    return raw


def frame(payload: bytes) -> bytes:
    """A text frame, masked with zeros."""
    return b"\x81\xff" + struct.pack(">Q", len(payload)) + bytes(4) + payload


@asynccontextmanager
async def playing(
    emulator: Emulator, reference: object, *, start: bool = True, **settings: Any
) -> AsyncIterator[Client]:
    """A session with this scenario, past SettingsApplied unless it is not to ``start``."""
    headers = {"Authorization": f"Token {emulator.api_key}", "x-dgbudget-scenario": quote(str(reference))}
    async with connect(emulator.agent_url, additional_headers=headers, proxy=None, max_queue=None) as connection:
        client = Client(connection)
        await client.until("Welcome")
        if start:
            await client.start(**settings)
        yield client


async def refusal(url: str, **options: Any) -> tuple[Response, dict[str, str]]:
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, proxy=None, **options)
    response = caught.value.response
    assert response.headers["Content-Type"] == "application/json"
    body: dict[str, str] = json.loads(response.body or b"")
    assert body["request_id"] == response.headers["dg-request-id"]
    return response, body


async def speak(client: Client, sound: bytes) -> None:
    """As fast as possible: the emulator counts audio time."""
    for at in range(0, len(sound), 640):
        await client.connection.send(sound[at : at + 640])


def thinking(*functions: dict[str, Any]) -> dict[str, Any]:
    return {"think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "functions": functions}}


async def asked(client: Client, text: str = "Where is order A-17?") -> dict[str, Any]:
    await client.send("InjectUserMessage", content=text)
    (call,) = (await client.until("FunctionCallRequest"))["functions"]
    return dict(call)
