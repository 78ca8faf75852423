"""Sessions of the official SDK, sync and async, at a server of ours."""

from __future__ import annotations

from typing import Any

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.agent.v1.types import AgentV1Settings
from deepgram.environment import DeepgramClientEnvironment

from benchmarks.through_gateway import KEY
from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS


class AsyncSdk:
    """One client for many sessions, as its documentation has it."""

    def __init__(self, server: str) -> None:
        self._client = AsyncDeepgramClient(api_key=KEY, environment=environment(server))
        self._settings = settings()

    async def open_and_close(self) -> None:
        async with self._client.agent.v1.connect() as session:
            await session.recv()
            await session.send_settings(self._settings)
            await session.recv()


class SyncSdk:
    def __init__(self, server: str) -> None:
        self._client = DeepgramClient(api_key=KEY, environment=environment(server))
        self._settings = settings()

    def open_and_close(self) -> None:
        with self._client.agent.v1.connect() as session:
            session.recv()
            session.send_settings(self._settings)
            session.recv()


def environment(server: str) -> Any:
    http = server.replace("ws://", "http://")
    return DeepgramClientEnvironment(base=http, production=server, agent=server, agent_rest=http)


def settings() -> Any:
    return AgentV1Settings(**DEFAULT_SETTINGS)
