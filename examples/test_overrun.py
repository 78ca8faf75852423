"""What a budget does: this test talks on and on, and is cut before its second is over."""

import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent


@pytest.mark.dg_budget("1s")
@pytest.mark.xfail(strict=True, raises=BudgetExceeded, reason="talks for longer than its budget of 1 s")
async def test_overrun(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect() as session:
        while True:
            await session.say("Tell me one more thing about your pizzas.")
