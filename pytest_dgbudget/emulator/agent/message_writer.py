"""The emulator's messages to one client, in the forms of the vendor's AsyncAPI file, and calls that await an answer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.codes import Notice
from pytest_dgbudget.emulator.vendor import Vendor

Trigger = Literal["model", "timeout", "manual"]  # what ended the user's turn
Send = Callable[[str | bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """A function call; ``arguments`` is a JSON text. ``client_side`` when the client has to answer it.

    Ids begin with ``call_`` in the logs of live calls.
    """

    name: str
    arguments: str
    id: str = field(default_factory=lambda: f"call_{uuid.uuid4().hex[:24]}")
    client_side: bool = True


class MessageWriter:
    """Writes messages to ``send``. ``history`` is Settings' ``flags.history``.

    ``flux``: whether the listen provider is of version v2. ``hints`` are the language hints of the multilingual Flux
    model, None with any other model.
    """

    def __init__(self, send: Send, vendor: Vendor) -> None:
        self.send = send
        self.history = True
        self.flux = False
        self.hints: tuple[str, ...] | None = None
        self.given_calls: dict[str, FunctionCall] = {}  # not answered yet; the agent does not wait for them
        self._vendor = vendor

    async def write_given(self, message: Mapping[str, Any] | bytes) -> None:
        """Send a message that a scenario or a test has written; the client may answer the calls in it."""
        if isinstance(message, bytes):
            return await self.send(message)
        self.given_calls.update((call.id, call) for call in _calls_in(message))
        return await self.send(json.dumps(message))

    async def write_message(self, kind: str, **fields: Any) -> None:
        await self.send(json.dumps({"type": kind, **fields}))

    async def acknowledge(self, kind: str, notices: Iterable[Notice] = ()) -> None:
        await self.write_message(kind)
        for notice in notices:
            await self.warn(notice.code, notice.description)

    async def warn(self, code: str, description: str) -> None:
        await self.write_message("Warning", description=description, code=code)

    async def transcribe(self, role: str, content: str) -> None:
        """ConversationText, and right after it History unless it is off: so in each of 290 cases in logs of live calls.

        ``conversational_behavior`` is "default" for every message without Think Live (official SDK 7.17.0).
        """
        fields = self._languages() if role == "user" else {}
        await self.write_message(
            "ConversationText", role=role, content=content, conversational_behavior="default", **fields
        )
        if self.history:
            await self.write_message("History", role=role, content=content)

    async def end_turn(self, trigger: Trigger) -> None:
        """EndOfTurn, which live sessions of Flux have, although the AsyncAPI file has not."""
        if self.flux and self._vendor.end_of_turn:
            await self.write_message("EndOfTurn", trigger=trigger)

    async def report_latencies(self, fields: Mapping[str, float]) -> None:
        """LatencyReports of one field each, as recordings have them."""
        for name, seconds in fields.items():
            await self.write_message("LatencyReport", **{name: seconds})

    def _languages(self) -> dict[str, list[str]]:
        """The emulator recognises no language: it reports the hints as what was spoken, or English without any."""
        if self.hints is None:
            return {}
        return {"languages_hinted": list(self.hints), "languages": list(self.hints) or ["en"]}

    async def request(self, call: FunctionCall) -> None:
        function = {"id": call.id, "name": call.name, "arguments": call.arguments, "client_side": call.client_side}
        await self.write_message("FunctionCallRequest", functions=[function])

    async def cancelled(self, calls: Iterable[FunctionCall]) -> None:
        if not self._vendor.function_call_cancelled:
            return
        await self.write_message(
            "FunctionCallCancelled", functions=[{"id": call.id, "name": call.name} for call in calls]
        )

    async def answered(self, call: FunctionCall, response: str) -> None:
        """Report what an endpoint answered to a server-side call."""
        await self.write_message("FunctionCallResponse", id=call.id, name=call.name, content=response)
        await self._remember(call, response)

    async def taken(self, call: FunctionCall, response: str) -> None:
        """Repeat the client's answer to a call, and what it was an answer to."""
        if self._vendor.function_response_echo:
            await self.write_message("FunctionCallResponse", id=call.id, name=call.name, content=response)
        await self._remember(call, response)

    async def _remember(self, call: FunctionCall, response: str) -> None:
        if self.history:
            entry = {"id": call.id, "name": call.name, "client_side": call.client_side, "arguments": call.arguments}
            await self.write_message("History", function_calls=[{**entry, "response": response}])


def _calls_in(message: Mapping[str, Any]) -> list[FunctionCall]:
    """Return the calls of a FunctionCallRequest that may have any form."""
    functions = message.get("functions") if message.get("type") == "FunctionCallRequest" else None
    calls = [each for each in functions if isinstance(each, dict)] if isinstance(functions, list) else []
    return [
        FunctionCall(name=each["name"], arguments=str(each.get("arguments", "")), id=each["id"])
        for each in calls
        if isinstance(each.get("name"), str) and isinstance(each.get("id"), str)
    ]


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
