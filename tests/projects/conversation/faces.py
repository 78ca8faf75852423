"""Both faces of a session as one: what a rule awaits of a ``Session`` has happened when it is awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import iscoroutinefunction
from typing import Any, cast

from pytest_dgbudget import AsyncSession, Session, VoiceAgent

Open = Callable[[Any], AbstractAsyncContextManager[AsyncSession]]


class Awaited:
    """A Session with the methods of an AsyncSession."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._session, name)
        if not iscoroutinefunction(getattr(AsyncSession, name, None)):
            return found

        async def call(*arguments: Any, **keywords: Any) -> Any:
            return found(*arguments, **keywords)

        return call


def opens_async(voice_agent: VoiceAgent) -> Open:
    return voice_agent.connect


def opens_sync(voice_agent: VoiceAgent) -> Open:
    @asynccontextmanager
    async def opened(settings: Any) -> AsyncIterator[AsyncSession]:
        with voice_agent.connect(settings) as session:
            yield cast("AsyncSession", Awaited(session))

    return opened


def run_without_loop(rule: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing."""
    try:
        rule.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited for something")
