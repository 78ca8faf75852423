"""What only time shows, at the vendor's pace, in a sync test and under trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from pytest_dgbudget import VoiceAgent
from tests.projects.conversation.faces import Open, opens_async, opens_sync, run_without_loop
from tests.projects.conversation.rules import REAL_TIME_RULES, a_cancelled_call_is_not_answered

Rule = Callable[[Open], Awaitable[None]]

each_rule = pytest.mark.parametrize("rule", REAL_TIME_RULES, ids=lambda rule: rule.__name__)
pytestmark = pytest.mark.dg_scenario("agent.toml", pace="vendor")


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


@each_rule
def test_sync(rule: Rule, voice_agent: VoiceAgent) -> None:
    run_without_loop(rule(opens_sync(voice_agent)))  # type: ignore[arg-type]


@each_rule
@pytest.mark.anyio
async def test_trio(rule: Rule, voice_agent: VoiceAgent) -> None:
    await rule(opens_async(voice_agent))


@pytest.mark.asyncio
async def test_cancelled_call_under_asyncio(voice_agent: VoiceAgent) -> None:
    await a_cancelled_call_is_not_answered(opens_async(voice_agent))
