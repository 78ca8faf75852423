"""Does a scenario's steps in one session, until they are done or somebody stops them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pytest_dgbudget.emulator.agent.calls import OpenCalls
from pytest_dgbudget.emulator.agent.latency import Stopwatch, started
from pytest_dgbudget.emulator.agent.outbox import Call, Outbox
from pytest_dgbudget.emulator.agent.turns import Utterance
from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.scenarios.performance import perform
from pytest_dgbudget.emulator.scenarios.scenario import Cue


class Performer:
    """The Stage of ``performance``; ``play`` says an utterance and returns when it is said."""

    def __init__(self, outbox: Outbox, calls: OpenCalls, play: Callable[[Utterance], Awaitable[None]]) -> None:
        self._outbox = outbox
        self._calls = calls
        self._play = play
        self._performance: asyncio.Future[None] | None = None
        self._awaited: dict[str, asyncio.Future[str]] = {}
        self._unanswered: Stopwatch | None = None  # the turn's, until the first thing is said

    @property
    def busy(self) -> bool:
        return self._performance is not None

    async def perform(self, cue: Cue, watch: Stopwatch) -> None:
        """Return when the steps are done or stopped; raise what a scripted Error or Close raises."""
        self._unanswered = watch
        performance = self._performance = asyncio.ensure_future(perform(cue, self))
        try:
            await asyncio.wait([performance])
        finally:
            self.stop()
        if not performance.cancelled():
            performance.result()

    def stop(self) -> tuple[Call, ...]:
        """Stop the steps under way; return the calls that nobody waits for any more."""
        if self._performance is not None:
            self._performance.cancel()
        self._performance = None
        calls = self._calls.cancel(self._awaited)
        self._awaited.clear()
        return calls

    def take(self, call: Call, content: str) -> bool:
        """Go on with what was waiting for this call; say whether anything was."""
        awaited = self._awaited.pop(call.id, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(content)
        return awaited is not None

    async def warn(self, code: str, description: str) -> None:
        await self._outbox.warn(code, description)

    async def send(self, message: Mapping[str, Any]) -> None:
        await self._outbox.send(json.dumps(message))

    async def ask(self, calls: Sequence[tuple[str, str]]) -> list[str]:
        watch, loop = self._unanswered or started(), asyncio.get_running_loop()
        answers: list[asyncio.Future[str]] = []
        for name, arguments in calls:
            call = Call(id=f"fc_{uuid.uuid4()}", name=name, arguments=arguments)
            self._calls.open(call, watch)
            self._awaited[call.id] = loop.create_future()
            answers.append(self._awaited[call.id])
            await self._calls.request(call)
        return await asyncio.gather(*answers)

    async def say(self, text: str | None, sound: Sound | None) -> None:
        """The first thing that a scenario says answers the turn."""
        watch, self._unanswered = self._unanswered, None
        answers = watch is not None
        await self._play(Utterance(text=text, watch=watch or started(), answers=answers, sound=sound))
