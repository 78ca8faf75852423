"""Scripts of the tests, spoken through the official SDK; what it knows of the instants is left in a file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.agent.v1 import types as forms

from pytest_dgbudget import VoiceAgent
from tests.support.timed_client import TimedClient
from tests.support.timed_scenes import SCRIPTS
from tests.support.timed_vendor import SESSION, Log

NAMES = ("speech", "two texts", "barge-in")
METHODS = {"Settings": "settings", "InjectUserMessage": "inject_user_message"}


class SdkConnection:
    """Sends and receives by the SDK's typed methods."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def send(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            await self._connection.send_media(data)
            return
        message = json.loads(data)
        form = getattr(forms, f"AgentV1{message['type']}")
        await getattr(self._connection, f"send_{METHODS[message['type']]}")(form(**message))

    async def recv(self) -> str | bytes:
        message = await self._connection.recv()
        return message if isinstance(message, bytes) else str(message.model_dump_json())


@pytest.mark.asyncio
async def test_sdk(voice_agent: VoiceAgent) -> None:
    environment = voice_agent.endpoint.deepgram_environment()
    client = AsyncDeepgramClient(environment=environment, api_key=voice_agent.endpoint.api_key)
    logs = await asyncio.gather(*(hold(client, name) for name in NAMES))
    keep(dict(zip(NAMES, logs, strict=True)))


def keep(logs: dict[str, Log]) -> None:
    Path("logs.json").write_text(json.dumps(logs), encoding="utf-8")


async def hold(client: AsyncDeepgramClient, name: str) -> Log:
    async with client.agent.v1.connect(request_options={"additional_headers": {SESSION: name}}) as connection:
        talking = TimedClient(SdkConnection(connection), SCRIPTS[name])
        await talking.talk()
    return talking.log
