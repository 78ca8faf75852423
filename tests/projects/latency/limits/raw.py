"""The scripts of ``dg_latency``, spoken by a plain client that has the process's token: its tests have no fixture."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect

from tests.projects.latency.limits.own import Held
from tests.support.limit_scenes import LIMIT_SCRIPTS
from tests.support.timed_client import TimedClient
from tests.support.timed_vendor import SESSION


@pytest.fixture
def held(request: pytest.FixtureRequest) -> Held:
    """Holds the session of a script, and closes it at the end of ``with``."""

    @asynccontextmanager
    async def held(name: str) -> AsyncIterator[None]:
        headers = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}", SESSION: f"{request.node.name}/{name}"}
        url = os.environ["DGBUDGET_AGENT_URL"]
        async with connect(url, additional_headers=headers, proxy=None, compression=None) as connection:
            await TimedClient(connection, LIMIT_SCRIPTS[name]).talk()
            yield

    return held
