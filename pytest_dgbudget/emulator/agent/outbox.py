"""The messages of the emulator to one client, in the forms of the vendor's AsyncAPI file."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.codes import Notice

Send = Callable[[str | bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function call; ``arguments`` is a JSON text. ``client_side`` when the client has to answer it."""

    id: str
    name: str
    arguments: str
    client_side: bool = True


class Outbox:
    """Writes messages to ``send``. ``history`` is Settings' ``flags.history``.

    ``hints`` are the language hints of the multilingual Flux model, None with every other.
    """

    def __init__(self, send: Send) -> None:
        self.send = send
        self.history = True
        self.hints: tuple[str, ...] | None = None

    async def say(self, kind: str, **fields: Any) -> None:
        await self.send(json.dumps({"type": kind, **fields}))

    async def acknowledge(self, kind: str, notices: Iterable[Notice] = ()) -> None:
        await self.say(kind)
        for notice in notices:
            await self.warn(notice.code, notice.description)

    async def warn(self, code: str, description: str) -> None:
        await self.say("Warning", description=description, code=code)

    async def transcribe(self, role: str, content: str) -> None:
        """ConversationText, then History unless it is off; their order is the emulator's choice.

        ``conversational_behavior`` is "default" for every message without Think Live (official SDK 7.17.0).
        """
        fields = self._languages() if role == "user" else {}
        await self.say("ConversationText", role=role, content=content, conversational_behavior="default", **fields)
        if self.history:
            await self.say("History", role=role, content=content)

    def _languages(self) -> dict[str, list[str]]:
        """The emulator recognises no language: it takes the hints for what was spoken, English without any."""
        if self.hints is None:
            return {}
        return {"languages_hinted": list(self.hints), "languages": list(self.hints) or ["en"]}

    async def request(self, call: Call) -> None:
        function = {"id": call.id, "name": call.name, "arguments": call.arguments, "client_side": call.client_side}
        await self.say("FunctionCallRequest", functions=[function])

    async def cancelled(self, calls: Iterable[Call]) -> None:
        await self.say("FunctionCallCancelled", functions=[{"id": call.id, "name": call.name} for call in calls])

    async def answered(self, call: Call, response: str) -> None:
        """What an endpoint answered to a call of the server's."""
        await self.say("FunctionCallResponse", id=call.id, name=call.name, content=response)
        await self.remember(call, response)

    async def remember(self, call: Call, response: str) -> None:
        if self.history:
            entry = {"id": call.id, "name": call.name, "client_side": call.client_side, "arguments": call.arguments}
            await self.say("History", function_calls=[{**entry, "response": response}])
