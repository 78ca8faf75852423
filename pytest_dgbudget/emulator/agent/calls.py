"""The function calls of one session that await an answer."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.agent.message_writer import FunctionCall, MessageWriter


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
