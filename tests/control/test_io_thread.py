"""Whether code runs in a task, which a wait would block together with its loop."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
import trio

from pytest_dgbudget.control.io_thread import in_task


async def asked_in_a_task() -> bool:
    return in_task()


class Compiled:
    """A coroutine as Cython makes them, without a frame."""

    def __await__(self) -> Generator[Any, Any, bool]:
        return asked_in_a_task().__await__()


def test_code_runs_in_a_task_where_the_task_is_on_its_stack() -> None:
    async def with_a_task_of_its_own() -> bool:
        return await asyncio.create_task(asked_in_a_task())

    assert asyncio.run(asked_in_a_task())
    assert asyncio.run(with_a_task_of_its_own())
    assert trio.run(asked_in_a_task)


def test_a_task_whose_coroutine_has_no_frame_is_taken_for_the_callers() -> None:
    async def in_place_of_a_compiled_one() -> bool:
        return await Compiled()

    class Task(asyncio.Task[bool]):
        def get_coro(self) -> Any:
            return Compiled()

    loop = asyncio.new_event_loop()
    try:
        loop.set_task_factory(lambda loop, coro, **_: Task(coro, loop=loop))  # type: ignore[arg-type]
        assert loop.run_until_complete(in_place_of_a_compiled_one())
    finally:
        loop.close()


def test_code_without_a_loop_or_in_a_callback_runs_in_no_task() -> None:
    async def asked_in_a_callback() -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: answer.set_result(in_task()))
        return await answer

    assert not in_task()
    assert not asyncio.run(asked_in_a_callback())


def test_what_pytest_calls_runs_in_no_task_even_if_pytest_itself_does(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("from pytest_dgbudget.control.io_thread import in_task\ndef test_it(): assert not in_task()")

    async def cell() -> Any:
        return pytester.inline_run("-p", "no:asyncio")

    asyncio.run(cell()).assertoutcome(passed=1)
