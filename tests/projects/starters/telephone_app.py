"""A bridge between a telephone call, as Twilio streams it (mu-law in JSON), and a voice agent."""

import asyncio
import base64
import json
import os
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection

AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
TELEPHONE = {"encoding": "mulaw", "sample_rate": 8000}
SETTINGS = {
    "type": "Settings",
    "audio": {"input": TELEPHONE, "output": {**TELEPHONE, "container": "none"}},
    "agent": {
        "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
        "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "Answer in one short sentence."},
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
        "greeting": "Hello! Who is calling?",
    },
}


def agent_connection(key: str = os.environ["DEEPGRAM_API_KEY"]) -> connect:
    return connect(AGENT_URL, subprotocols=["token", key])  # type: ignore[list-item]


async def answer_call(call: ServerConnection) -> None:
    async with agent_connection() as agent:
        await agent.send(json.dumps(SETTINGS))
        stream = ""
        answers: asyncio.Task[None] | None = None
        async for text in call:
            event = json.loads(text)
            if event["event"] == "start":
                stream = event["start"]["streamSid"]
                answers = asyncio.create_task(_pass_answers(agent, call, stream))
            elif event["event"] == "media":
                await agent.send(base64.b64decode(event["media"]["payload"]))
            elif event["event"] == "stop":
                break
        if answers is not None:
            answers.cancel()


async def _pass_answers(agent: ClientConnection, call: ServerConnection, stream: str) -> None:
    async for message in agent:
        if isinstance(message, bytes):
            payload = base64.b64encode(message).decode()
            await call.send(_event("media", stream, media={"payload": payload}))
        elif json.loads(message)["type"] == "UserStartedSpeaking":
            await call.send(_event("clear", stream))


def _event(name: str, stream: str, **fields: Any) -> str:
    return json.dumps({"event": name, "streamSid": stream, **fields})
