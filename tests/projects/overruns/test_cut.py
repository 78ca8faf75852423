"""Tests that are cut, whatever they make of it."""

import time

import pytest
import websockets
from websockets.asyncio.client import connect

from pytest_dgbudget import BudgetExceeded, VoiceAgent

short = pytest.mark.dg_budget("1s")


@short
def test_raises(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)


@short
def test_catches(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)


@short
def test_never_looks(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(1.3)


@short
def test_skips(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)
    pytest.skip("no thanks")


@short
def test_xfails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)
    pytest.xfail("no thanks")


@short
@pytest.mark.asyncio
async def test_catches_async(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        with pytest.raises(BudgetExceeded):
            await session.expect("Never", timeout=10)


@short
@pytest.mark.asyncio
async def test_raw_client(voice_agent: VoiceAgent) -> None:
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    async with connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None) as raw:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await raw.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4402
    assert "--dg-test-budget" in closed.value.rcvd.reason
