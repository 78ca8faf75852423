"""A scenario's steps, run one after another in one session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.scenarios.scenario import MatchedTurn, ScriptedCall, Step, fill


class ScriptedClose(Exception):
    """The scenario closes the session with this ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ScenarioActions(Protocol):
    """What steps can do."""

    async def wait(self, milliseconds: int) -> None:
        """Wait, or skip the time."""
        ...

    async def warn(self, code: str, description: str) -> None:
        """Send a Warning."""
        ...

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send any message."""
        ...

    async def ask(self, calls: Sequence[tuple[str, str]]) -> list[str]:
        """Request all these calls, by name and arguments (a JSON text); return the answer to each."""
        ...

    async def say(self, text: str | None, sound: Sound | None, *, last: bool) -> None:
        """Say this, in the emulator's voice if there is no sound; ``last`` if nothing is said after it."""
        ...


async def run_steps(matched: MatchedTurn, actions: ScenarioActions) -> None:
    """Run the steps; raises ProtocolError for a scripted Error and ScriptedClose for a scripted Close."""
    names = {**matched.names, "result": ""}
    last = max((n for n, step in enumerate(matched.steps) if step.speaks), default=None)
    for n, step in enumerate(matched.steps):
        await _do(step, names, actions, last=n == last)


async def _do(step: Step, names: dict[str, str], actions: ScenarioActions, *, last: bool) -> None:
    if step.wait_ms:
        await actions.wait(step.wait_ms)
    if step.warn is not None:
        await actions.warn(step.warn.code, step.warn.description)
    if step.send is not None:
        await actions.send(fill(step.send, names))
    if step.calls:
        names["result"] = (await actions.ask([_filled(call, names) for call in step.calls]))[-1]
    if step.speaks:
        await actions.say(fill(step.reply, names), step.sound, last=last)
    if step.error is not None:
        raise ProtocolError(step.error.code, step.error.description)
    if step.close is not None:
        raise ScriptedClose(step.close)


def _filled(call: ScriptedCall, names: dict[str, str]) -> tuple[str, str]:
    return call.name, json.dumps(fill(call.arguments, names))
