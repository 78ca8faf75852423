"""Tests that an exhausted run refuses, whatever they make of it."""

from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect

from pytest_dgbudget import BudgetExhausted, Session, VoiceAgent


@pytest.fixture
def session(voice_agent: VoiceAgent) -> Iterator[Session]:
    with voice_agent.connect() as session:
        yield session


def test_raises(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


def test_in_setup(session: Session) -> None:
    pass


def test_swallows(voice_agent: VoiceAgent) -> None:
    with pytest.raises(BudgetExhausted):
        voice_agent.connect().__enter__()


def test_raises_something_else(voice_agent: VoiceAgent) -> None:
    with pytest.raises(BudgetExhausted):
        voice_agent.connect().__enter__()
    raise LookupError


def test_fails_by_itself(voice_agent: VoiceAgent) -> None:
    try:
        voice_agent.connect().__enter__()
    except BudgetExhausted:
        pytest.fail("no session")


def test_xfails(voice_agent: VoiceAgent) -> None:
    try:
        voice_agent.connect().__enter__()
    except BudgetExhausted:
        pytest.xfail("no session")


@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


@pytest.mark.asyncio
async def test_async(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect():
        pass


@pytest.mark.asyncio
async def test_raw_client(voice_agent: VoiceAgent) -> None:
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    await connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None)


def test_without_a_session() -> None:
    pass
