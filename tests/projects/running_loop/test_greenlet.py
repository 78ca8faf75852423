"""playwright's sync API in miniature: its loop runs in a greenlet, and a task of it switches back to the test."""

import asyncio
from collections.abc import Iterator

import pytest

from pytest_dgbudget import VoiceAgent

greenlet = pytest.importorskip("greenlet")


@pytest.fixture
def browser() -> Iterator[None]:
    test = greenlet.getcurrent()
    loop = asyncio.new_event_loop()

    async def dispatch() -> None:
        test.switch()

    dispatcher = greenlet.greenlet(lambda: loop.run_until_complete(dispatch()))
    dispatcher.switch()
    yield
    dispatcher.switch()
    loop.close()


def test_with_a_page(browser: None, voice_agent: VoiceAgent) -> None:
    assert asyncio.current_task() is not None
    with voice_agent.connect() as session:
        assert session.say("hello").reply
