"""The functions of one session: what Settings declare of them, who answers their calls, and what they were called with.

Lives on the I/O thread.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import ensure_future
from collections.abc import Awaitable, Callable, Iterable, Mapping
from json import dumps
from types import FrameType, TracebackType
from typing import Any

from pytest_dgbudget.client.arguments import check_arguments
from pytest_dgbudget.control.io_thread import FromHandler
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.rules.vendor_messages import FunctionCall, FunctionCallCancelled, FunctionCallRequest, Message

# What the agent is told of a call that failed.
_FAILED = '{"error": "the function failed"}'
_LEAD_TO_HANDLERS = {"asyncio", "concurrent", "pytest_dgbudget", "threading", "trio"}

Handler = Callable[[FunctionCall], Awaitable[Any]]


class FunctionHandlers:
    """``answer`` sends a FunctionCallResponse; ``failed`` is called with what a handler raised, or BadFunctionCall."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        answer: Callable[[str], Awaitable[None]],
        failed: Callable[[FromHandler], Awaitable[None]],
    ) -> None:
        self._answer = answer
        self._failed = failed
        self._handlers: dict[str, Handler] = {}
        self._parameters: dict[str, Any] = {}
        self._answering: dict[str, asyncio.Task[None]] = {}
        self.declare(settings.get("agent"))

    @property
    def names(self) -> Iterable[str]:
        """The functions that have a handler."""
        return self._handlers.keys()

    def register(self, name: str, handler: Handler) -> None:
        self._handlers[name] = handler

    def declare(self, agent: Any) -> None:
        """Take over the functions that Settings, or an UpdateThink, declare under ``think``."""
        think = agent.get("think") if isinstance(agent, Mapping) else None
        for each in think if isinstance(think, list) else [think]:
            functions = each.get("functions") if isinstance(each, Mapping) else None
            for function in functions if isinstance(functions, list) else []:
                if isinstance(function, Mapping) and isinstance(function.get("name"), str):
                    self._parameters[function["name"]] = function.get("parameters")

    def received(self, message: Message) -> None:
        """Answer the calls of a request, all at once; give up those that the agent cancelled."""
        if isinstance(message, FunctionCallRequest):
            for call in message.functions:
                if call.client_side and call.name in self._handlers:
                    self._begin(call)
        elif isinstance(message, FunctionCallCancelled):
            for call_id in message.ids:
                self._cancel(call_id)

    def stop(self) -> None:
        """Give up all that is being answered."""
        for call_id in list(self._answering):
            self._cancel(call_id)

    def _begin(self, call: FunctionCall) -> None:
        task = self._answering[call.id] = ensure_future(self._handle(call))
        task.add_done_callback(lambda done: self._over(call.id, done))

    def _over(self, call_id: str, task: asyncio.Task[None]) -> None:
        if self._answering.get(call_id) is task:
            del self._answering[call_id]

    def _cancel(self, call_id: str) -> None:
        task = self._answering.pop(call_id, None)
        if task is not None:
            task.cancel()

    async def _handle(self, call: FunctionCall) -> None:
        try:
            check_arguments(call, self._parameters.get(call.name))
        except DgBudgetError as error:
            await self._failed(FromHandler(error, None))
            content = _FAILED
        else:
            content = await self._result(call)
        await self._answer(
            dumps({"type": "FunctionCallResponse", "id": call.id, "name": call.name, "content": content})
        )

    async def _result(self, call: FunctionCall) -> str:
        try:
            result = await self._handlers[call.name](call)
            return result if isinstance(result, str) else dumps(result)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # pytest.fail() and pytest.skip() are no Exceptions
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note(f"raised by the handler of the function {call.name!r}")
            await self._failed(FromHandler(error, _of_the_handler(error)))
            return _FAILED


def _of_the_handler(error: BaseException) -> TracebackType | None:
    """Return an error's traceback without the frames that led to the handler."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None and _leads_there(traceback.tb_frame):
        traceback = traceback.tb_next
    return traceback


def _leads_there(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _LEAD_TO_HANDLERS
