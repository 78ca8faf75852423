"""The function calls of one session that are waited for."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.agent.outbox import Call, Outbox


class OpenCalls:
    """Those that were neither answered nor cancelled, the oldest first; false when there are none."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._open: dict[str, tuple[Call, Stopwatch]] = {}
        self._requested: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._open)

    def __contains__(self, call: Call) -> bool:
        return call.id in self._open

    @property
    def of_client(self) -> tuple[Call, ...]:
        """Those that the client owes a response."""
        return tuple(call for call, _ in self._open.values() if call.client_side)

    def open(self, call: Call, watch: Stopwatch) -> None:
        watch.function_called()
        self._open[call.id] = call, watch

    async def request(self, call: Call) -> None:
        """Send the request, unless the call was cancelled before."""
        if call in self:
            await self._outbox.request(call)
            self._requested.add(call.id)

    def answered(self, call: Call) -> Stopwatch:
        """Close it and return the watch of its turn."""
        _, watch = self._open.pop(call.id)
        watch.function_answered()
        return watch

    def cancel(self, ids: Iterable[str]) -> tuple[Call, ...]:
        """Close these and return those of them that anybody was asked for."""
        cancelled = [self._open.pop(each)[0] for each in ids]
        return tuple(call for call in cancelled if call.id in self._requested)

    def cancel_all(self) -> tuple[Call, ...]:
        return self.cancel(list(self._open))
