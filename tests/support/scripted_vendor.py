"""A vendor that plays a scene per session, named by the session's own x-deepgram-scene header."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.support.vendor import Seen, Vendor, converse

MEBIBYTE = 1024 * 1024

Answer = Callable[[ServerConnection, str], Awaitable[None]]


async def _begin(connection: ServerConnection, seen: Seen) -> None:
    await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))


async def _say(connection: ServerConnection, *messages: dict[str, Any] | str | bytes) -> None:
    for message in messages:
        await connection.send(json.dumps(message) if isinstance(message, dict) else message)


def spoken(text: str, role: str = "assistant") -> dict[str, Any]:
    return {"type": "ConversationText", "role": role, "content": text}


DONE = {"type": "AgentAudioDone"}


def answering(answer: Answer) -> Callable[[ServerConnection, Seen], Awaitable[None]]:
    """A talk whose answer to injected messages is another one."""

    async def talk(connection: ServerConnection, seen: Seen) -> None:
        await _begin(connection, seen)
        async for data in connection:
            if isinstance(data, bytes):
                seen.audio_bytes += len(data)
                seen.messages.append({"type": "(audio)", "at": time.monotonic(), "bytes": len(data)})
                continue
            message = json.loads(data)
            seen.messages.append({**message, "at": time.monotonic()})
            if message["type"] == "Settings":
                seen.settings = message
                await connection.send('{"type":"SettingsApplied"}')
            elif message["type"] == "InjectUserMessage":
                await answer(connection, message["content"])
            elif message["type"] == "FunctionCallResponse":
                await _say(connection, spoken(f"the answer is {message['content']}"), DONE)

    return talk


async def _nothing(connection: ServerConnection, text: str) -> None:
    """Leave the client waiting."""


async def _close_4321(connection: ServerConnection, text: str) -> None:
    await connection.close(4321, "enough of this")


async def _drop(connection: ServerConnection, text: str) -> None:
    connection.transport.abort()


async def _error(connection: ServerConnection, text: str) -> None:
    await _say(connection, {"type": "Error", "code": "SOME_CODE", "description": "it broke"})


async def _refuse(connection: ServerConnection, text: str) -> None:
    await _say(connection, {"type": "InjectionRefused", "message": "I am speaking"})


async def _malformed(connection: ServerConnection, text: str) -> None:
    await _say(connection, '{"type":', "[1, 2]", "no JSON", '{"type": 7}', '{"type": ""}', "[" * 100_000)
    await _say(connection, spoken(text, "user"), {"type": "FromTheFuture", "n": 1}, spoken(f"about {text}"), DONE)


async def _big(connection: ServerConnection, text: str) -> None:
    await _say(connection, spoken("x" * 16 * MEBIBYTE), b"\1" * 16 * MEBIBYTE, DONE)


async def _call(connection: ServerConnection, text: str) -> None:
    """``lookup {"order": "A-17"}`` calls lookup with these arguments."""
    name, _, arguments = text.partition(" ")
    function = {"id": "call-1", "name": name, "arguments": arguments, "client_side": True}
    await _say(connection, spoken(text, "user"), {"type": "FunctionCallRequest", "functions": [function]})


async def _chat(connection: ServerConnection, text: str) -> None:
    await _say(connection, {"type": "Step", "n": 1}, {"type": "Step", "n": 2}, {"type": "Other", "n": 3})
    await _say(connection, spoken(f"about {text}"), DONE, {"type": "Late", "n": 4})


async def _no_welcome(connection: ServerConnection, seen: Seen) -> None:
    await connection.wait_closed()


async def _no_request_id(connection: ServerConnection, seen: Seen) -> None:
    await connection.send('{"type":"Welcome"}')
    await connection.recv()
    await connection.send('{"type":"SettingsApplied"}')
    await connection.wait_closed()


async def _error_for_settings(connection: ServerConnection, seen: Seen) -> None:
    await _begin(connection, seen)
    await connection.recv()
    await _say(connection, {"type": "Error", "code": "UNPARSABLE_SETTINGS", "description": "no such voice"})
    await connection.wait_closed()


async def _no_settings_applied(connection: ServerConnection, seen: Seen) -> None:
    await _begin(connection, seen)
    seen.settings = json.loads(await connection.recv())
    await connection.wait_closed()


TALKS: dict[str, Callable[[ServerConnection, Seen], Awaitable[None]]] = {
    "": answering(lambda connection, text: _chat(connection, text)),
    "converse": converse,
    "busy at first": converse,
    "no answer": answering(_nothing),
    "closes": answering(_close_4321),
    "drops": answering(_drop),
    "error": answering(_error),
    "refuses": answering(_refuse),
    "malformed": answering(_malformed),
    "big": answering(_big),
    "calls": answering(_call),
    "no welcome": _no_welcome,
    "no request id": _no_request_id,
    "error for settings": _error_for_settings,
    "no settings applied": _no_settings_applied,
}

REFUSALS = {
    401: {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials.", "request_id": "rid-401"},
    402: {"err_code": "ASR_PAYMENT_REQUIRED", "err_msg": "Project has no credit.", "request_id": "rid-402"},
    429: {"err_code": "TOO_MANY_REQUESTS", "err_msg": "Too many requests.", "request_id": "rid-429"},
    500: {"err_code": "INTERNAL_SERVER_ERROR", "err_msg": "Sorry.", "request_id": "rid-500"},
}


async def talk(connection: ServerConnection, seen: Seen) -> None:
    await TALKS[seen.headers.get("x-deepgram-scene", "")](connection, seen)


class ScriptedVendor(Vendor):
    """``refuse-STATUS``, ``garbage`` and ``no answer to the handshake`` are scenes without a 101.

    ``busy at first`` is one whose first handshake is refused.
    """

    def __init__(self) -> None:
        super().__init__(talk)
        self._was_busy: set[str] = set()

    def __enter__(self) -> ScriptedVendor:
        super().__enter__()
        return self

    def of(self, test: str) -> list[Seen]:
        """The connections of one test, by its name."""
        return [seen for seen in self.connections if seen.headers.get("x-deepgram-test") == test]

    async def _process_request(  # type: ignore[override]
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        scene = request.headers.get("x-deepgram-scene", "")
        if scene == "garbage":
            connection.transport.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
            connection.transport.close()
        elif scene == "no answer to the handshake":
            await asyncio.sleep(30)
        elif scene == "busy at first" and (test := request.headers["x-deepgram-test"]) not in self._was_busy:
            self._was_busy.add(test)
            return _refusal(429, retry_after="1")
        elif scene.startswith("refuse-"):
            # 3600: longer than anybody waits.
            return _refusal(int(scene.removeprefix("refuse-")), retry_after="3600")
        return None


def _refusal(status: int, *, retry_after: str) -> Response:
    body = json.dumps(REFUSALS[status]).encode()
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = retry_after
    return Response(status, HTTPStatus(status).phrase, headers, body)
