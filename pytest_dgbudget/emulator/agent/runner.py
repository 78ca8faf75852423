"""Runs a scenario's steps in one session until they are done or stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.agent.message_writer import FunctionCall, MessageWriter, OpenCalls
from pytest_dgbudget.emulator.agent.utterance import Part, Utterance, reply_parts
from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.scenarios.actions import run_steps
from pytest_dgbudget.emulator.scenarios.scenario import MatchedTurn
from pytest_dgbudget.emulator.session_clock import SessionClock
from pytest_dgbudget.emulator.timing import Timing


class ScenarioRunner:
    """The ScenarioActions of one session; ``play`` says an utterance and returns when it has been sent."""

    def __init__(
        self,
        writer: MessageWriter,
        calls: OpenCalls,
        clock: SessionClock,
        timing: Timing,
        play: Callable[[Utterance], Awaitable[None]],
    ) -> None:
        self._writer = writer
        self._calls = calls
        self._clock = clock
        self._timing = timing
        self._play = play
        self._due = 0.0  # of the next thing that takes thought
        self._steps: asyncio.Future[None] | None = None
        self._awaited: dict[str, asyncio.Future[str]] = {}
        self._unanswered: Stopwatch | None = None  # the turn's, until the first thing is said

    async def run(self, matched: MatchedTurn, watch: Stopwatch, due: float) -> None:
        """Return when the steps are done or stopped; raise what a scripted Error or Close raises.

        Nothing is said or asked before ``due``, a moment of the session's clock.
        """
        self._unanswered, self._due = watch, due
        steps = self._steps = asyncio.ensure_future(run_steps(matched, self))
        try:
            await asyncio.wait([steps])
        finally:
            self.stop()
        if not steps.cancelled():
            steps.result()

    def stop(self) -> tuple[FunctionCall, ...]:
        """Stop the steps under way; return the calls that are no longer awaited."""
        if self._steps is not None:
            self._steps.cancel()
        self._steps = None
        calls = self._calls.cancel(self._awaited)
        self._awaited.clear()
        return calls

    def take(self, call: FunctionCall, content: str) -> bool:
        """Continue what was waiting for this call; return whether anything was."""
        awaited = self._awaited.pop(call.id, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(content)
        return awaited is not None

    async def wait(self, milliseconds: int) -> None:
        await self._clock.sleep(milliseconds / 1000)

    async def warn(self, code: str, description: str) -> None:
        await self._writer.warn(code, description)

    async def send(self, message: Mapping[str, Any]) -> None:
        await self._writer.write_given(message)

    async def ask(self, calls: Sequence[tuple[str, str]]) -> list[str]:
        await self._clock.sleep_until(self._due)
        watch, loop = self._unanswered or Stopwatch(self._clock.seconds), asyncio.get_running_loop()
        answers: list[asyncio.Future[str]] = []
        for name, arguments in calls:
            call = FunctionCall(name=name, arguments=arguments)
            self._calls.open(call, watch)
            self._awaited[call.id] = loop.create_future()
            answers.append(self._awaited[call.id])
            await self._calls.request(call)
        contents = await asyncio.gather(*answers)
        self._due = self._clock.seconds() + self._timing.after_function_ms / 1000
        return contents

    async def say(self, text: str | None, sound: Sound | None, *, last: bool) -> None:
        """The first thing that a scenario says answers the turn."""
        watch, self._unanswered = self._unanswered, None
        parts = reply_parts(text or "", self._timing) if sound is None else (Part(text, sound),)
        utterance = Utterance(
            parts=parts,
            due=max(self._due, self._clock.seconds()),
            watch=watch or Stopwatch(self._clock.seconds),
            answers=watch is not None,
            last=last,
        )
        await self._play(utterance)
