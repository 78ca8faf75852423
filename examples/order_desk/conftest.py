"""A call to the order desk, whose functions answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from desk import OrderDesk

from pytest_dgbudget import AsyncSession, VoiceAgent


@pytest.fixture
def desk() -> OrderDesk:
    return OrderDesk()


@pytest.fixture
async def call(voice_agent: VoiceAgent, desk: OrderDesk) -> AsyncIterator[AsyncSession]:
    async with voice_agent.connect(Path(__file__).with_name("agent.json"), tags=["order-desk"]) as session:
        session.on_function("order_status")(desk.order_status)
        session.on_function("cancel_order")(desk.cancel_order)
        yield session
