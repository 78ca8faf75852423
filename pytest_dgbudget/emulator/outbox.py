"""The messages of the emulator to one client, in the forms of the vendor's AsyncAPI file."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.settings import Notice

Send = Callable[[str | bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function call that the client was asked for; ``arguments`` is a JSON text."""

    id: str
    name: str
    arguments: str


class Outbox:
    """Writes messages to ``send``. ``history`` is Settings' ``flags.history``."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.history = True

    async def say(self, kind: str, **fields: Any) -> None:
        await self.send(json.dumps({"type": kind, **fields}))

    async def acknowledge(self, kind: str, notices: Iterable[Notice] = ()) -> None:
        await self.say(kind)
        for notice in notices:
            await self.warn(notice.code, notice.description)

    async def warn(self, code: str, description: str) -> None:
        await self.say("Warning", description=description, code=code)

    async def transcribe(self, role: str, content: str) -> None:
        """ConversationText, then History unless it is off; their order is the emulator's choice."""
        await self.say("ConversationText", role=role, content=content)
        if self.history:
            await self.say("History", role=role, content=content)

    async def request(self, call: Call) -> None:
        function = {"id": call.id, "name": call.name, "arguments": call.arguments, "client_side": True}
        await self.say("FunctionCallRequest", functions=[function])

    async def cancelled(self, calls: Iterable[Call]) -> None:
        await self.say("FunctionCallCancelled", functions=[{"id": call.id, "name": call.name} for call in calls])

    async def remember(self, call: Call, response: str) -> None:
        if self.history:
            entry = {"id": call.id, "name": call.name, "client_side": True, "arguments": call.arguments}
            await self.say("History", function_calls=[{**entry, "response": response}])
