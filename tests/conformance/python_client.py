"""Holds one whole conversation through Deepgram's Python SDK, 5.3 to 7, and prints what it saw: sync|async|events.

A program of its own, run by the interpreter that has the SDK: nothing of the project is there.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

try:
    from deepgram.agent.v1 import types as forms

    NAMES = {"FunctionCallResponse": "SendFunctionCallResponse"}
    SUFFIX = ""
except ImportError:  # 5.3
    from deepgram.extensions.types import sockets as forms

    NAMES = {"KeepAlive": "Control"}
    SUFFIX = "Message"

AUDIO = {"encoding": "linear16", "sample_rate": 16000}
SPEAK = {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}
LISTEN = {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}}
ORDER_ID = {"order_id": {"type": "string"}}
FUNCTION = {
    "name": "get_order",
    "description": "Tells where an order is",
    "parameters": {"type": "object", "properties": ORDER_ID},
}
FUNCTION_OF_SERVER = {
    "name": "get_weather",
    "description": "Tells the weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "endpoint": {"url": os.environ["WEATHER"], "method": "post"},
}
FUNCTIONS = [FUNCTION, FUNCTION_OF_SERVER]
THINK = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "Be brief.", "functions": FUNCTIONS}
AGENT = {"listen": {"provider": {"type": "deepgram", "model": "nova-3"}}, "think": THINK, "speak": SPEAK}
SETTINGS = {"tags": ["sdk"], "audio": {"input": AUDIO, "output": AUDIO}, "agent": {**AGENT, "greeting": "Hi"}}


class Script:
    """What is sent when. ``done`` when all has been said."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.done = False
        self.audio_bytes = 0
        self.seen: list[dict[str, Any]] = []
        self._spoken = 0

    def react(self, message: Any) -> Iterator[Any]:
        if isinstance(message, bytes):
            self.audio_bytes += len(message)
            return
        fields = message if isinstance(message, dict) else as_dict(message)
        kind = fields.get("type") or "?"
        self.seen.append({"type": kind, "fields": fields, "form": type(message).__name__, "extra": extra(message)})
        if kind == "AgentAudioDone":
            self._spoken += 1
            kind += str(self._spoken)
        yield from getattr(self, f"on_{kind}", lambda _: ())(fields)

    def on_Welcome(self, _: Any) -> Iterator[Any]:  # noqa: N802
        yield step("Settings", **SETTINGS)

    def on_AgentAudioDone1(self, _: Any) -> Iterator[Any]:  # noqa: N802
        yield step("InjectUserMessage", content="Where is order A-17?")

    def on_FunctionCallRequest(self, fields: Any) -> Iterator[Any]:  # noqa: N802
        (call,) = fields["functions"]
        if call["client_side"]:
            yield step("FunctionCallResponse", id=call["id"], name=call["name"], content="It is in Oslo.")

    def on_AgentAudioDone2(self, _: Any) -> Iterator[Any]:  # noqa: N802
        yield step("UpdatePrompt", prompt="Be briefer.")
        yield step("UpdateSpeak", speak=SPEAK)

    def on_SpeakUpdated(self, _: Any) -> Iterator[Any]:  # noqa: N802
        for kind, field in (("UpdateThink", {"think": THINK}), ("UpdateListen", {"listen": LISTEN})):
            if hasattr(self.connection, method(kind)):
                yield step(kind, **field)
        yield step("KeepAlive")
        with open(os.environ["SPEECH"], "rb") as file:  # noqa: PTH123
            while chunk := file.read(640):
                yield "send_media", chunk

    def on_AgentAudioDone3(self, _: Any) -> Iterator[Any]:  # noqa: N802
        yield step("InjectUserMessage", content="What is the weather in Paris?")

    def on_AgentAudioDone4(self, _: Any) -> Iterator[Any]:  # noqa: N802
        yield step("InjectAgentMessage", message="Goodbye")

    def on_AgentAudioDone5(self, _: Any) -> Iterator[Any]:  # noqa: N802
        self.done = True
        return iter(())


def step(kind: str, **fields: Any) -> tuple[str, Any]:
    form = getattr(forms, f"AgentV1{NAMES.get(kind, kind)}{SUFFIX}")
    return method(kind), form(type=kind, **fields)


def method(kind: str) -> str:
    if kind == "KeepAlive" and SUFFIX:
        return "send_control"
    return "send" + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)


def as_dict(message: Any) -> Any:
    return json.loads(message.model_dump_json())


def extra(message: Any) -> list[str]:
    """Fields that the SDK's form of this message does not have."""
    return sorted(getattr(message, "model_extra", None) or ())


def environment() -> DeepgramClientEnvironment:
    agent, api = os.environ["EMULATOR_AGENT"], os.environ["EMULATOR_API"]
    urls = {"base": api, "production": agent, "agent": agent, "agent_rest": api}
    known = inspect.signature(DeepgramClientEnvironment).parameters
    return DeepgramClientEnvironment(**{name: url for name, url in urls.items() if name in known})


def in_sync() -> Script:
    with DeepgramClient(environment=environment(), api_key=KEY).agent.v1.connect() as connection:
        script = Script(connection)
        while not script.done:
            for name, argument in script.react(connection.recv()):
                getattr(connection, name)(argument)
    return script


async def in_async() -> Script:
    client = AsyncDeepgramClient(environment=environment(), api_key=KEY)
    async with client.agent.v1.connect() as connection:
        script = Script(connection)
        while not script.done:
            for name, argument in script.react(await connection.recv()):
                await getattr(connection, name)(argument)
    return script


async def by_events() -> Script:
    """As the SDK's documentation has it: handlers, and start_listening."""
    client = AsyncDeepgramClient(environment=environment(), api_key=KEY)
    async with client.agent.v1.connect() as connection:
        script = Script(connection)
        finished = asyncio.Event()

        async def handle(message: Any) -> None:
            for name, argument in script.react(message):
                await getattr(connection, name)(argument)
            if script.done:
                finished.set()

        connection.on(EventType.MESSAGE, handle)
        listening = asyncio.ensure_future(connection.start_listening())
        await finished.wait()
        listening.cancel()
        await asyncio.wait([listening])
    return script


KEY = os.environ["DEEPGRAM_API_KEY"]
WAYS: dict[str, Callable[[], Script]] = {
    "sync": in_sync,
    "async": lambda: asyncio.run(in_async()),
    "events": lambda: asyncio.run(by_events()),
}

if __name__ == "__main__":
    held = WAYS[sys.argv[1]]()
    print(json.dumps({"messages": held.seen, "audio_bytes": held.audio_bytes}))
