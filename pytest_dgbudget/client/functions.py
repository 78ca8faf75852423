"""The functions of one session: what Settings declare of them, who answers their calls, and what they were called with.

Lives on the I/O thread.
"""

from __future__ import annotations

import asyncio
from asyncio.events import get_running_loop
from asyncio.tasks import current_task
from collections.abc import Awaitable, Callable, Iterator, Mapping
from json import dumps
from types import FrameType, TracebackType
from typing import Any

from pytest_dgbudget.client.arguments import check_arguments
from pytest_dgbudget.control.io_thread import FromHandler
from pytest_dgbudget.errors import BadFunctionCall
from pytest_dgbudget.rules.vendor_messages import FunctionCall, FunctionCallCancelled, FunctionCallRequest, Message

# What the agent is told of a call that failed.
_FAILED = '{"error": "the function failed"}'
# Characters of a handler's result in a message.
_MOST_SHOWN = 100
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
        self._parameters: dict[str, list[Any]] = {}
        self._answered: set[str] = set()
        self._answering: dict[str, asyncio.Task[None]] = {}
        self.declare(settings.get("agent"))

    def register(self, name: str, handler: Handler) -> None:
        self._handlers[name] = handler

    def declare(self, agent: Any) -> None:
        """Take over the functions that Settings, or an UpdateThink, declare under ``think``, and forget earlier ones.

        In a list of fallbacks, each may declare a function in its own way.
        """
        think = agent.get("think") if isinstance(agent, Mapping) else None
        self._parameters = {}
        for each in think if isinstance(think, list) else [think]:
            for name, parameters in _declared(each):
                self._parameters.setdefault(name, []).append(parameters)

    def answered(self, call_id: str) -> None:
        """Take note of a call that the test answers itself."""
        self._answered.add(call_id)

    def answers(self, call: FunctionCall) -> bool:
        """Tell whether a handler answers this call, or the test has answered it itself."""
        return call.name in self._handlers or call.id in self._answered

    def still_running(self) -> str:
        """Name the functions whose handlers the agent waits for, as a part of a message."""
        names = sorted({task.get_name() for task in self._answering.values()})
        if not names:
            return ""
        which = "handler of {} has" if len(names) == 1 else "handlers of {} have"
        return f"; the {which.format(', '.join(names))} not returned"

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
        task = self._answering[call.id] = get_running_loop().create_task(self._handle(call), name=call.name)
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
            content = await self._content(call)
        except BaseException as error:  # pytest.fail() and pytest.skip() are no Exceptions
            if self._is_given_up(call):
                return
            await self._failed(_carried(error))
            content = _FAILED
        if not self._is_given_up(call):
            await self._answer(
                dumps({"type": "FunctionCallResponse", "id": call.id, "name": call.name, "content": content})
            )

    def _is_given_up(self, call: FunctionCall) -> bool:
        return self._answering.get(call.id) is not current_task()

    async def _content(self, call: FunctionCall) -> str:
        self._check(call)
        try:
            result = await self._handlers[call.name](call)
        except asyncio.CancelledError as error:  # the handler's own, where the call is not given up
            raise RuntimeError(f"the handler of {call.name} raised CancelledError") from error
        except BaseException as error:
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note(f"raised by the handler of the function {call.name!r}")
            raise
        return result if isinstance(result, str) else _as_json(call.name, result)

    def _check(self, call: FunctionCall) -> None:
        """Raise BadFunctionCall if no declaration of the function allows the arguments: why the first doesn't."""
        refusals = []
        for parameters in self._parameters.get(call.name, [None]):
            refusal = _refusal(call, parameters)
            if refusal is None:
                return
            refusals.append(refusal)
        raise refusals[0]


def _refusal(call: FunctionCall, parameters: Any) -> BadFunctionCall | None:
    try:
        check_arguments(call, parameters)
    except BadFunctionCall as error:
        return error
    return None


def _declared(think: Any) -> Iterator[tuple[str, Any]]:
    functions = think.get("functions") if isinstance(think, Mapping) else None
    for function in functions if isinstance(functions, list) else []:
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            yield function["name"], function.get("parameters")


def _as_json(name: str, result: Any) -> str:
    try:
        return dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        shown = repr(result)
        shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[: _MOST_SHOWN - 1]}…"
        raise TypeError(f"the handler of {name} returned {shown}, which JSON can't hold") from None


def _carried(error: BaseException) -> FromHandler:
    cause = error.__cause__
    if cause is not None:
        cause.with_traceback(_of_the_handler(cause))
    return FromHandler(error, _of_the_handler(error))


def _of_the_handler(error: BaseException) -> TracebackType | None:
    """Return an error's traceback without the frames that led to the handler; None if it never came to there."""
    traceback = error.__traceback__
    while traceback is not None and _leads_there(traceback.tb_frame):
        traceback = traceback.tb_next
    return traceback


def _leads_there(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _LEAD_TO_HANDLERS
