"""A plain WebSocket client that says what a script has, on a fixed clock, and notes when."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Protocol

from websockets.asyncio.client import connect

from tests.support.timed_scenes import FUNCTION_MS, Script
from tests.support.timed_vendor import OVER, SESSION, Log, log


class Connection(Protocol):
    """What a client's library has in common with others."""

    async def send(self, data: str | bytes, /) -> None: ...

    async def recv(self) -> str | bytes: ...


class TimedClient:
    """Holds one session and fills its log."""

    def __init__(self, connection: Connection, script: Script) -> None:
        self.log: Log = log()
        self._connection = connection
        self._script = script
        self._kinds: asyncio.Queue[str] = asyncio.Queue()
        self._audio_bytes = 0

    async def talk(self) -> None:
        reading = asyncio.ensure_future(self._read())
        await self._say(self._script.settings)
        await self._until("SettingsApplied")
        for said in self._script.says:
            if isinstance(said, bytes):
                await self._stream(said)
            elif said.startswith("pause "):
                await asyncio.sleep(int(said.removeprefix("pause ")) / 1000)
            elif said.startswith("until "):
                await self._until(said.removeprefix("until "))
            else:
                await self._say({"type": "InjectUserMessage", "content": said})
        await reading

    async def _stream(self, audio: bytes) -> None:
        """Send each frame when its last sample has been spoken, as a microphone gives it."""
        size = round(self._script.frame_ms * self._script.bytes_per_ms)
        size = len(audio) if self._script.unpaced else size
        began = time.monotonic()
        for at in range(0, len(audio), size):
            frame = audio[at : at + size]
            due = began + (0 if self._script.unpaced else (at + len(frame)) / self._script.bytes_per_ms / 1000)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._audio_bytes += len(frame)
            self.log["audio"].append((self._audio_bytes, due))
            await self._connection.send(frame)

    async def _say(self, message: dict[str, Any]) -> None:
        self.log["texts"].append(time.monotonic())
        await self._connection.send(json.dumps(message))

    async def _read(self) -> None:
        kind = ""
        while kind != OVER:
            data = await self._connection.recv()
            self.log["answers"].append(time.monotonic())
            kind = "audio" if isinstance(data, bytes) else json.loads(data)["type"]
            if kind == "FunctionCallRequest":
                (call,) = json.loads(data)["functions"]
                await asyncio.sleep(FUNCTION_MS / 1000)
                await self._say({"type": "FunctionCallResponse", "id": call["id"], "name": "look_up", "content": "-"})
            self._kinds.put_nowait(kind)

    async def _until(self, kind: str) -> None:
        while await self._kinds.get() != kind:
            pass


async def hold(url: str, token: str, name: str, script: Script) -> Log:
    """Hold the session of a script and return what was noted."""
    headers = {"Authorization": f"Token {token}", SESSION: name}
    async with connect(url, additional_headers=headers, proxy=None, compression=None, max_size=None) as connection:
        client = TimedClient(connection, script)
        await client.talk()
    return client.log
