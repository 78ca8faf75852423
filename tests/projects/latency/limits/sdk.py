"""The scripts of ``dg_latency``, spoken through the official SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from deepgram import AsyncDeepgramClient

from pytest_dgbudget import VoiceAgent
from tests.projects.latency.limits.own import Held
from tests.projects.latency.test_sdk import SdkConnection
from tests.support.limit_scenes import LIMIT_SCRIPTS
from tests.support.timed_client import TimedClient
from tests.support.timed_vendor import SESSION


@pytest.fixture
def held(request: pytest.FixtureRequest, voice_agent: VoiceAgent) -> Held:
    """Holds the session of a script, and closes it at the end of ``with``."""
    endpoint = voice_agent.endpoint

    @asynccontextmanager
    async def held(name: str) -> AsyncIterator[None]:
        client = AsyncDeepgramClient(environment=endpoint.deepgram_environment(), api_key=endpoint.api_key)
        headers = {SESSION: f"{request.node.name}/{name}"}
        async with client.agent.v1.connect(request_options={"additional_headers": headers}) as connection:
            await TimedClient(SdkConnection(connection), LIMIT_SCRIPTS[name]).talk()
            yield

    return held
