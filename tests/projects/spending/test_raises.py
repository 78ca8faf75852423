"""Sessions that turn to a dearer model, at the worst moment, too."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from pytest_dgbudget import BudgetExceeded, Endpoint, VoiceAgent

STANDARD = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}
ADVANCED = {"provider": {"type": "anthropic", "model": "claude-sonnet-4-5"}}
SETTINGS = {
    "type": "Settings",
    "audio": {"input": {"encoding": "linear16", "sample_rate": 16000}},
    "agent": {"think": STANDARD, "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}},
}


def open_and_raise(endpoint: Endpoint, after: float) -> None:
    """Speak until the gateway closes the session; ask for the dearer model so many seconds after it opened."""
    headers = {"Authorization": f"Token {endpoint.api_key}"}
    with connect(endpoint.agent_url, additional_headers=headers, compression=None) as client:
        opened = time.monotonic()
        client.send(json.dumps(SETTINGS))
        try:
            _wait(client, opened + after)
            client.send(json.dumps({"type": "UpdateThink", "think": ADVANCED}))
            _wait(client, opened + 20)
        except ConnectionClosed:
            return


def _wait(client: Any, until: float) -> None:
    with suppress(TimeoutError):
        while True:
            client.recv(timeout=max(0, until - time.monotonic()))


# At the first price half a cent lasts four seconds; the dearer one is afforded until 3.45 s after the dial.
AFTER = [2.9, 3.2, 3.35, 3.4, 3.45, 3.5, 3.6]


@pytest.mark.dg_budget(cost=0.005, idle="off")
@pytest.mark.parametrize("after", AFTER)
def test_a_plain_client_raises_its_tier(voice_agent: VoiceAgent, after: float) -> None:
    open_and_raise(voice_agent.endpoint, after)


@pytest.mark.dg_budget(cost=0.01, idle="off")
def test_two_at_once_raise_their_tiers(voice_agent: VoiceAgent) -> None:
    clients = [threading.Thread(target=open_and_raise, args=(voice_agent.endpoint, after)) for after in (3.2, 3.4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


@pytest.mark.dg_budget(cost=0.005)
def test_the_fixture_raises_its_tier(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session, pytest.raises(BudgetExceeded, match=r"\$0.005"):
        session.update_think(ADVANCED)
        session.expect("Never", timeout="20s")


@pytest.mark.asyncio
@pytest.mark.dg_budget(cost=0.005)
async def test_the_fixture_raises_its_tier_in_a_coroutine(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(settings=SETTINGS) as session:
        with pytest.raises(BudgetExceeded, match=r"\$0.005"):
            await session.update_think(ADVANCED)
            await session.expect("Never", timeout="20s")
