"""Each rule in a sync test, under asyncio in every loop scope, and under anyio with trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from pytest_dgbudget import VoiceAgent
from tests.projects.conversation.faces import Open, opens_async, opens_sync, run_without_loop
from tests.projects.conversation.rules import RULES

Rule = Callable[[Open], Awaitable[None]]

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
pytestmark = pytest.mark.dg_scenario("agent.toml", pace="max")


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


@each_rule
def test_sync(rule: Rule, voice_agent: VoiceAgent) -> None:
    run_without_loop(rule(opens_sync(voice_agent)))  # type: ignore[arg-type]


@each_rule
@pytest.mark.asyncio
async def test_function_loop(rule: Rule, voice_agent: VoiceAgent) -> None:
    await rule(opens_async(voice_agent))


@each_rule
@pytest.mark.asyncio(loop_scope="class")
class TestClassLoop:
    async def test_class_loop(self, rule: Rule, voice_agent: VoiceAgent) -> None:
        await rule(opens_async(voice_agent))


@each_rule
@pytest.mark.asyncio(loop_scope="module")
async def test_module_loop(rule: Rule, voice_agent: VoiceAgent) -> None:
    await rule(opens_async(voice_agent))


@each_rule
@pytest.mark.asyncio(loop_scope="package")
async def test_package_loop(rule: Rule, voice_agent: VoiceAgent) -> None:
    await rule(opens_async(voice_agent))


@each_rule
@pytest.mark.asyncio(loop_scope="session")
async def test_session_loop(rule: Rule, voice_agent: VoiceAgent) -> None:
    await rule(opens_async(voice_agent))


@each_rule
@pytest.mark.anyio
async def test_trio(rule: Rule, voice_agent: VoiceAgent) -> None:
    await rule(opens_async(voice_agent))
