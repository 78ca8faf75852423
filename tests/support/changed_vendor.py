"""A stand-alone emulator behind a proxy that changes what it says: a service that is not what it was.

A change is given each message of the emulator's, in order, and yields what is sent in its place: JSON, audio, a pause,
or a close.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

_PASSED_ON = ("authorization",)
_NORMAL, _LEAST_CODE_OF_ITS_OWN = 1000, 3000


class Pause(NamedTuple):
    """Nothing is sent for so long."""

    seconds: float


class CloseNow(NamedTuple):
    """The session is closed with this code."""

    code: int


Sent = dict[str, Any] | bytes | Pause | CloseNow
Change = Callable[[Sent], Iterable[Sent]]
# Makes the changes of one session; it is the n-th, from 0.
Changes = Callable[[int], Sequence[Change]]


class ChangedVendor:
    """Runs on a thread. ``agent_url`` is the emulator's; it is dialled at pace max: what takes time is a change."""

    def __init__(self, agent_url: str, changes: Changes) -> None:
        self._agent_url = agent_url
        self._changes = changes
        self._sessions = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="changed vendor", daemon=True)

    def __enter__(self) -> ChangedVendor:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/v1/agent/converse"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        async with serve(
            self._handle, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None, close_timeout=1
        ) as server:
            self._port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    async def _handle(self, client: ServerConnection) -> None:
        assert client.request is not None
        passed_on = {name: client.request.headers[name] for name in _PASSED_ON}
        changes = self._changes(self._sessions)
        self._sessions += 1
        async with connect(
            self._agent_url,
            additional_headers={**passed_on, "x-dgbudget-pace": "max"},
            compression=None,
            ping_interval=None,
            max_size=None,
            proxy=None,
        ) as emulator:
            passing = asyncio.ensure_future(_pass_on(client, emulator))
            with contextlib.suppress(ConnectionClosed):
                await _say_changed(emulator, client, changes)
            await passing


async def _pass_on(client: ServerConnection, emulator: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for data in client:
            await emulator.send(data)
    await emulator.close()


async def _say_changed(emulator: ClientConnection, client: ServerConnection, changes: Sequence[Change]) -> None:
    async for data in emulator:
        await _say(client, data if isinstance(data, bytes) else json.loads(data), changes)
    await _say(client, CloseNow(emulator.close_code or 0), changes)
    await client.wait_closed()


async def _say(client: ServerConnection, message: Sent, changes: Sequence[Change]) -> None:
    said = [message]
    for change in changes:
        said = [each for before in said for each in change(before)]
    for each in said:
        if isinstance(each, Pause):
            await asyncio.sleep(each.seconds)
        elif isinstance(each, CloseNow):
            await client.close(each.code if each.code >= _LEAST_CODE_OF_ITS_OWN else _NORMAL)
        else:
            await client.send(each if isinstance(each, bytes) else json.dumps(each))


# What takes time --------------------------------------------------------------------------------------------------


class Thinks:
    """The agent's first word of each turn comes so many seconds after the user's text; SettingsApplied has its own."""

    def __init__(self, seconds: Callable[[], float], settings_seconds: float = 0.1) -> None:
        self._seconds = seconds
        self._settings_seconds = settings_seconds
        self._thinks = False

    def __call__(self, said: Sent) -> Iterator[Sent]:
        kind = type_of(said)
        if kind == "SettingsApplied":
            yield Pause(self._settings_seconds)
        if kind == "ConversationText" and role_of(said) == "user":
            self._thinks = True
        elif self._thinks and (isinstance(said, bytes) or kind in _FIRST_WORDS):
            self._thinks = False
            yield Pause(self._seconds())
        yield said


_FIRST_WORDS = ("AgentStartedSpeaking", "AgentThinking", "ConversationText", "FunctionCallRequest", "LatencyReport")


class Varies:
    """A reply has one to five sentences of random words, in random pieces, and optional messages come or don't."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._replies = False

    def __call__(self, said: Sent) -> Iterator[Sent]:
        kind = type_of(said)
        if kind == "AgentAudioDone":
            self._replies = False
            yield from self._maybe(_latency("total_latency"))
            yield said
        elif self._replies and (isinstance(said, bytes) or (kind in _SPOKEN and role_of(said) != "user")):
            return  # the emulator's own words
        elif kind == "ConversationText" and role_of(said) == "assistant":
            self._replies = True
            yield from self._reply(said)
        elif kind in _OPTIONAL:
            yield from self._maybe(said)
        else:
            if kind == "FunctionCallRequest":
                yield from self._maybe({"type": "AgentThinking", "content": "Let me see."})
            yield said

    def _reply(self, text: Sent) -> Iterator[Sent]:
        assert isinstance(text, dict)
        yield from self._maybe(_latency("ttt_text_latency"))
        yield from self._maybe(_SLOW)
        for number in range(self._random.randint(1, 5)):
            content = " ".join(self._random.choices(_WORDS, k=self._random.randint(1, 12)))
            pieces = [*self._audio()]
            if self._random.random() < 0.5:  # the first frame before its text
                yield pieces.pop(0)
            yield {**text, "content": content}
            yield {"type": "History", "role": "assistant", "content": content}
            yield from self._maybe(_latency("tts_latency"))
            yield from pieces
            yield Pause(self._random.uniform(0, 0.05) if number else 0)

    def _audio(self) -> Iterator[bytes]:
        for _ in range(self._random.randint(1, 6)):
            yield self._random.randbytes(2 * self._random.randint(100, 3000))

    def _maybe(self, message: Sent) -> Iterator[Sent]:
        if self._random.random() < 0.5:
            yield message


_WORDS = ("order", "number", "is", "on", "the", "way", "to", "you", "and", "will", "arrive", "tomorrow", "at", "noon")
_SPOKEN = ("ConversationText", "History")
_OPTIONAL = ("AgentStartedSpeaking", "AgentThinking", "FunctionCallResponse", "LatencyReport")
_SLOW: Sent = {
    "type": "Warning",
    "code": "SLOW_THINK_REQUEST",
    "description": "We have now waited 5 seconds for a think response.",
}


def _latency(name: str) -> Sent:
    return {"type": "LatencyReport", name: 0.5}


# What a message is ------------------------------------------------------------------------------------------------


def type_of(said: Sent) -> str | None:
    return said.get("type") if isinstance(said, dict) else None


def role_of(said: Sent) -> str | None:
    return said.get("role") if isinstance(said, dict) else None
