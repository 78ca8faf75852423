"""Tests that are refused a session, whatever they make of it."""

import json
import time

import pytest
import websockets
from websockets.asyncio.client import connect

from pytest_dgbudget import BudgetExhausted, VoiceAgent

none = pytest.mark.dg_budget(0)


@none
def test_raises(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


@none
def test_catches(voice_agent: VoiceAgent) -> None:
    with pytest.raises(BudgetExhausted) as caught, voice_agent.connect():
        pass
    assert (caught.value.budget, caught.value.used_seconds, caught.value.allowed_seconds) == ("test", 0, 0)


@none
@pytest.mark.asyncio
async def test_async(voice_agent: VoiceAgent) -> None:
    with pytest.raises(BudgetExhausted):
        await voice_agent.connect()


@pytest.mark.dg_budget("1500ms")
def test_spent(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(0.8)
    with pytest.raises(BudgetExhausted) as caught, voice_agent.connect():
        pass
    assert 0.8 <= caught.value.used_seconds < 1.5 == caught.value.allowed_seconds


@none
@pytest.mark.asyncio
async def test_raw_client(voice_agent: VoiceAgent) -> None:
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    with pytest.raises(websockets.InvalidStatus) as error:
        await connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None)
    response = error.value.response
    assert response.body is not None
    assert (response.status_code, json.loads(response.body)["err_code"]) == (402, "DGBUDGET_EXHAUSTED")
