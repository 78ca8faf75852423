"""What playwright's sync API leaves to all tests after it: a loop that runs in another greenlet, at times in a task."""

import asyncio
from collections.abc import Iterator

import pytest

from pytest_dgbudget import VoiceAgent


async def transport() -> None:
    """A task of the browser's driver: suspended, and not on any test's stack."""
    await asyncio.sleep(3600)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    yield loop
    asyncio._set_running_loop(before)
    loop.close()


@pytest.fixture
def task(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    task = loop.create_task(transport())
    asyncio.tasks._enter_task(loop, task)
    yield
    asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    asyncio._set_running_loop(loop)


def test_between_two_tasks(loop: asyncio.AbstractEventLoop, voice_agent: VoiceAgent) -> None:
    assert asyncio.current_task() is None
    with voice_agent.connect() as session:
        assert session.say("hello").reply


def test_in_mid_task(voice_agent: VoiceAgent, task: None) -> None:
    assert asyncio.current_task() is not None
    with voice_agent.connect() as session:
        assert session.say("hello").reply
