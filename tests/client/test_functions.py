"""The functions of a session: whatever their handlers do, a call is answered, and the test learns why."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pytest_dgbudget.client.functions import FunctionHandlers
from pytest_dgbudget.control.io_thread import FromHandler
from pytest_dgbudget.errors import BadFunctionCall, SettingsError
from pytest_dgbudget.rules.vendor_messages import FunctionCall, FunctionCallCancelled, FunctionCallRequest

FAILED = '{"error": "the function failed"}'


class Agent:
    """The other end of FunctionHandlers: what it is answered by call id, and what the test is told."""

    def __init__(self, think: Any = None) -> None:
        self.answers: dict[str, str] = {}
        self.failures: list[FromHandler] = []
        self.functions = FunctionHandlers({"agent": {"think": think}}, self._answer, self._failed)

    async def _answer(self, response: str) -> None:
        answer = json.loads(response)
        self.answers[answer["id"]] = answer["content"]

    async def _failed(self, error: FromHandler) -> None:
        self.failures.append(error)

    def begin(self, name: str = "lookup", arguments: str = "{}", call_id: str = "1") -> None:
        call = FunctionCall(id=call_id, name=name, arguments=arguments, client_side=True)
        self.functions.received(FunctionCallRequest(type="FunctionCallRequest", data={}, functions=(call,)))

    def cancel(self, call_id: str = "1") -> None:
        self.functions.received(FunctionCallCancelled(type="FunctionCallCancelled", data={}, ids=(call_id,)))

    async def call(self, arguments: str = "{}") -> str:
        """Return the answer to a call; fails where there is none."""
        self.begin(arguments=arguments)
        await settled()
        return self.answers["1"]

    @property
    def failure(self) -> BaseException:
        (carried,) = self.failures
        return carried.unpacked()


async def settled() -> None:
    """Wait until nothing runs but the test."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


def lookup(result: Any) -> Callable[[FunctionCall], Awaitable[Any]]:
    async def handler(_: FunctionCall) -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    return handler


def declared(name: str, **parameters: Any) -> dict[str, Any]:
    return {"functions": [{"name": name, "parameters": {"type": "object", **parameters}}]}


INTEGER = declared("lookup", properties={"order": {"type": "integer"}})
STRING = declared("lookup", properties={"order": {"type": "string"}})


@pytest.mark.parametrize(("result", "content"), [("on its way", "on its way"), ({"n": 1}, '{"n": 1}'), (None, "null")])
@pytest.mark.asyncio
async def test_a_call_is_answered_with_a_text_or_with_json(result: Any, content: str) -> None:
    agent = Agent(INTEGER)
    agent.functions.register("lookup", lookup(result))
    assert await agent.call('{"order": 17}') == content
    assert agent.failures == []


class Odd(BaseException):
    """What no ``except Exception`` catches."""


@pytest.mark.parametrize("error", [LookupError("gone"), Odd("gone")])
@pytest.mark.asyncio
async def test_what_a_handler_raises_is_told_from_the_handler_on_and_the_call_is_answered(error: BaseException) -> None:
    agent = Agent()
    agent.functions.register("lookup", lookup(error))
    assert await agent.call() == FAILED
    assert agent.failure is error
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == ["handler"]


@pytest.mark.asyncio
async def test_a_handler_that_raises_cancelled_error_itself_fails_and_is_answered() -> None:
    agent = Agent()
    agent.functions.register("lookup", lookup(asyncio.CancelledError()))
    assert await agent.call() == FAILED
    assert isinstance(agent.failure, RuntimeError)
    assert str(agent.failure) == "the handler of lookup raised CancelledError"
    cause = agent.failure.__cause__
    assert isinstance(cause, asyncio.CancelledError)
    assert [frame.name for frame in traceback.extract_tb(cause.__traceback__)] == ["handler"]


@pytest.mark.asyncio
async def test_a_schema_that_is_none_fails_and_is_answered() -> None:
    agent = Agent(declared("lookup", properties=[]))
    agent.functions.register("lookup", lookup("fine"))
    assert await agent.call() == FAILED
    assert isinstance(agent.failure, SettingsError)


@pytest.mark.asyncio
async def test_what_checking_the_arguments_raises_unforeseen_is_told_and_the_call_is_answered() -> None:
    agent = Agent(declared("lookup", properties={"order": {"multipleOf": 0}}))
    agent.functions.register("lookup", lookup("fine"))
    assert await agent.call('{"order": 17}') == FAILED
    assert isinstance(agent.failure, ZeroDivisionError)


@pytest.mark.parametrize("result", [{1, 2}, {"at": object}, [float("nan")], b"bytes"])
@pytest.mark.asyncio
async def test_a_result_that_json_cannot_hold_is_named(result: Any) -> None:
    agent = Agent()
    agent.functions.register("lookup", lookup(result))
    assert await agent.call() == FAILED
    assert isinstance(agent.failure, TypeError)
    assert str(agent.failure) == f"the handler of lookup returned {result!r}, which JSON can't hold"
    assert agent.failure.__traceback__ is None  # no frame of ours


@pytest.mark.asyncio
async def test_of_a_long_result_the_first_100_characters_are_shown() -> None:
    agent = Agent()
    agent.functions.register("lookup", lookup(["x" * 200, object()]))
    await agent.call()
    assert str(agent.failure) == f"the handler of lookup returned ['{'x' * 97}…, which JSON can't hold"


@pytest.mark.parametrize("agent", [Agent([INTEGER, STRING]), Agent([STRING, INTEGER])])
@pytest.mark.parametrize("order", ["17", '"17"'])
@pytest.mark.asyncio
async def test_arguments_that_one_of_the_fallbacks_allows_are_right(agent: Agent, order: str) -> None:
    agent.functions.register("lookup", lookup("fine"))
    assert await agent.call(f'{{"order": {order}}}') == "fine"


@pytest.mark.asyncio
async def test_of_arguments_that_no_fallback_allows_the_first_one_says_why() -> None:
    agent = Agent([STRING, INTEGER, declared("another")])
    agent.functions.register("lookup", lookup("fine"))
    assert await agent.call('{"order": []}') == FAILED
    assert isinstance(agent.failure, BadFunctionCall)
    assert "/order is [], which must be string" in str(agent.failure)


@pytest.mark.asyncio
async def test_an_update_replaces_what_was_declared() -> None:
    agent = Agent([STRING, INTEGER])
    agent.functions.register("lookup", lookup("fine"))
    agent.functions.declare({"think": INTEGER})
    assert await agent.call('{"order": "17"}') == FAILED
    agent.functions.declare({"think": declared("another")})
    assert await agent.call('{"order": "17"}') == "fine"


@pytest.mark.asyncio
async def test_a_handler_that_has_not_returned_is_named_until_it_has() -> None:
    agent, go_on = Agent(), asyncio.Event()

    async def wait(_: FunctionCall) -> str:
        await go_on.wait()
        return "late"

    agent.functions.register("lookup", wait)
    agent.functions.register("book", wait)
    assert agent.functions.still_running() == ""
    agent.begin("lookup")
    assert agent.functions.still_running() == "; the handler of lookup has not returned"
    agent.begin("book", call_id="2")
    assert agent.functions.still_running() == "; the handlers of book, lookup have not returned"
    go_on.set()
    await settled()
    assert agent.functions.still_running() == ""
    assert agent.answers == {"1": "late", "2": "late"}


@pytest.mark.parametrize("end", [Agent.cancel, lambda agent: agent.functions.stop()], ids=["cancelled", "closed"])
@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.asyncio
async def test_what_a_handler_makes_of_its_cancellation_is_dropped(end: Callable[[Agent], None], raises: bool) -> None:
    agent, begun = Agent(), asyncio.Event()

    async def stubborn(_: FunctionCall) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if raises:
                raise LookupError("too late") from None
        return "too late"

    agent.functions.register("lookup", stubborn)
    agent.begin()
    await begun.wait()
    end(agent)
    assert agent.functions.still_running() == ""
    await settled()
    assert (agent.answers, agent.failures) == ({}, [])


def test_a_call_has_an_answer_by_a_handler_or_by_the_test_itself() -> None:
    agent = Agent()
    agent.functions.register("lookup", lookup("fine"))
    agent.functions.answered("2")
    calls = [
        FunctionCall(id=call_id, name=name, arguments="{}", client_side=True)
        for call_id, name in (("1", "lookup"), ("2", "book"), ("3", "book"))
    ]
    assert [agent.functions.answers(call) for call in calls] == [True, True, False]
