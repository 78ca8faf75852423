"""A scenario's steps, done one behind the other in one session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.scenarios.scenario import Cue, FunctionCall, Step, fill


class Closed(Exception):
    """The scenario closes the session with this ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Stage(Protocol):
    """What steps are done with."""

    async def warn(self, code: str, description: str) -> None:
        """Send a Warning."""
        ...

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send this message, whatever it is."""
        ...

    async def ask(self, calls: Sequence[tuple[str, str]]) -> list[str]:
        """Request calls by name and arguments, a JSON text, at once; return what each was answered."""
        ...

    async def say(self, text: str | None, sound: Sound | None) -> None:
        """Say this, in the emulator's voice where there is no sound."""
        ...


async def perform(cue: Cue, stage: Stage) -> None:
    """Do the steps; raises ProtocolError for a scripted Error and Closed for a scripted Close."""
    names = {**cue.names, "result": ""}
    for step in cue.steps:
        await _do(step, names, stage)


async def _do(step: Step, names: dict[str, str], stage: Stage) -> None:
    await asyncio.sleep(step.wait_ms / 1000)
    if step.warn is not None:
        await stage.warn(step.warn.code, step.warn.description)
    if step.send is not None:
        await stage.send(fill(step.send, names))
    if step.calls:
        names["result"] = (await stage.ask([_filled(call, names) for call in step.calls]))[-1]
    if step.reply is not None or step.sound is not None:
        await stage.say(fill(step.reply, names), step.sound)
    if step.error is not None:
        raise ProtocolError(step.error.code, step.error.description)
    if step.close is not None:
        raise Closed(step.close)


def _filled(call: FunctionCall, names: dict[str, str]) -> tuple[str, str]:
    return call.name, json.dumps(fill(call.arguments, names))
