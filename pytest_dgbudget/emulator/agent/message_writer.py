"""The emulator's messages to one client, in the forms of the vendor's AsyncAPI file, and calls that await an answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.codes import Notice

Send = Callable[[str | bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """A function call; ``arguments`` is a JSON text. ``client_side`` when the client has to answer it."""

    id: str
    name: str
    arguments: str
    client_side: bool = True


class MessageWriter:
    """Writes messages to ``send``. ``history`` is Settings' ``flags.history``.

    ``hints`` are the language hints of the multilingual Flux model, None with any other model.
    """

    def __init__(self, send: Send) -> None:
        self.send = send
        self.history = True
        self.hints: tuple[str, ...] | None = None

    async def write_message(self, kind: str, **fields: Any) -> None:
        await self.send(json.dumps({"type": kind, **fields}))

    async def acknowledge(self, kind: str, notices: Iterable[Notice] = ()) -> None:
        await self.write_message(kind)
        for notice in notices:
            await self.warn(notice.code, notice.description)

    async def warn(self, code: str, description: str) -> None:
        await self.write_message("Warning", description=description, code=code)

    async def transcribe(self, role: str, content: str) -> None:
        """ConversationText, then History unless it is off; their order is the emulator's choice.

        ``conversational_behavior`` is "default" for every message without Think Live (official SDK 7.17.0).
        """
        fields = self._languages() if role == "user" else {}
        await self.write_message(
            "ConversationText", role=role, content=content, conversational_behavior="default", **fields
        )
        if self.history:
            await self.write_message("History", role=role, content=content)

    def _languages(self) -> dict[str, list[str]]:
        """The emulator recognises no language: it reports the hints as what was spoken, or English without any."""
        if self.hints is None:
            return {}
        return {"languages_hinted": list(self.hints), "languages": list(self.hints) or ["en"]}

    async def request(self, call: FunctionCall) -> None:
        function = {"id": call.id, "name": call.name, "arguments": call.arguments, "client_side": call.client_side}
        await self.write_message("FunctionCallRequest", functions=[function])

    async def cancelled(self, calls: Iterable[FunctionCall]) -> None:
        await self.write_message(
            "FunctionCallCancelled", functions=[{"id": call.id, "name": call.name} for call in calls]
        )

    async def answered(self, call: FunctionCall, response: str) -> None:
        """Report what an endpoint answered to a server-side call."""
        await self.write_message("FunctionCallResponse", id=call.id, name=call.name, content=response)
        await self.remember(call, response)

    async def remember(self, call: FunctionCall, response: str) -> None:
        if self.history:
            entry = {"id": call.id, "name": call.name, "client_side": call.client_side, "arguments": call.arguments}
            await self.write_message("History", function_calls=[{**entry, "response": response}])


class OpenCalls:
    """Calls neither answered nor cancelled, oldest first; false when there are none."""

    def __init__(self, writer: MessageWriter) -> None:
        self._writer = writer
        self._open: dict[str, tuple[FunctionCall, Stopwatch]] = {}
        self._requested: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._open)

    def __contains__(self, call: FunctionCall) -> bool:
        return call.id in self._open

    @property
    def of_client(self) -> tuple[FunctionCall, ...]:
        """Calls to which the client owes a response."""
        return tuple(call for call, _ in self._open.values() if call.client_side)

    def open(self, call: FunctionCall, watch: Stopwatch) -> None:
        watch.function_called()
        self._open[call.id] = call, watch

    async def request(self, call: FunctionCall) -> None:
        """Send the request, unless the call was cancelled before."""
        if call in self:
            await self._writer.request(call)
            self._requested.add(call.id)

    def answered(self, call: FunctionCall) -> Stopwatch:
        """Close the call and return its turn's stopwatch."""
        _, watch = self._open.pop(call.id)
        watch.function_answered()
        return watch

    def cancel(self, ids: Iterable[str]) -> tuple[FunctionCall, ...]:
        """Close these calls and return those whose request was sent."""
        cancelled = [self._open.pop(each)[0] for each in ids]
        return tuple(call for call in cancelled if call.id in self._requested)

    def cancel_all(self) -> tuple[FunctionCall, ...]:
        return self.cancel(list(self._open))
