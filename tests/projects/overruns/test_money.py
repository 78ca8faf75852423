"""Tests with budgets in money."""

import pytest

from pytest_dgbudget import BudgetExhausted, VoiceAgent


@pytest.mark.asyncio
@pytest.mark.dg_budget("30s", cost=0.0015)
async def test_by_marker(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        await session.expect("Never", timeout="20s")


@pytest.mark.asyncio
async def test_by_path(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        await session.expect("Never", timeout="20s")


@pytest.mark.dg_budget(cost=0)
def test_none(voice_agent: VoiceAgent) -> None:
    with pytest.raises(BudgetExhausted), voice_agent.connect():
        pass
