"""The I/O thread, whose waits are real, and whether code runs in a task, which a wait would block with its loop."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from unittest import mock

import pytest
import trio
import trio.testing

from pytest_dgbudget.control.io_thread import HandlerLoop, IOThread, in_task
from pytest_dgbudget.errors import DgBudgetError

real_time = time.monotonic


@pytest.fixture
def io_thread() -> Iterator[IOThread]:
    io_thread = IOThread()
    yield io_thread
    io_thread.stop()


CLOCKS = [
    *("time.time", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.clock_gettime"),
    "asyncio.BaseEventLoop.time",
]
WORLDS: dict[str, Any] = {
    "stands still": itertools.repeat(1.0),
    "runs backwards": itertools.count(10**6, -1),
    "runs a thousand times too fast": lambda *_: 1000 * real_time(),
    "has no more instants": [],
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_a_wait_takes_its_time_whatever_a_test_makes_of_every_clock(io_thread: IOThread, world: Any) -> None:
    began = real_time()
    with ExitStack() as stack:
        for clock in CLOCKS:
            stack.enter_context(mock.patch(clock, side_effect=world))
        stack.enter_context(mock.patch("time.sleep"))
        io_thread.run(asyncio.sleep(0.2))
    assert 0.19 <= real_time() - began < 5


@pytest.mark.parametrize("method", ["recv", "send"])
@pytest.mark.parametrize("answer", [b"never the end", b"", InterruptedError, LookupError])
def test_it_wakes_up_and_never_spins_where_a_test_has_replaced_what_wakes_it(
    io_thread: IOThread, method: str, answer: bytes | type[Exception]
) -> None:
    with mock.patch.object(socket.socket, method, side_effect=itertools.repeat(answer)) as replaced:
        for number in range(3):
            assert io_thread.run(asyncio.sleep(0, number), timeout=5) == number
    assert not replaced.called


def test_a_call_that_waits_is_refused_on_its_own_thread_for_which_it_would_wait(io_thread: IOThread) -> None:
    async def asks_a_predicate() -> None:
        io_thread.run(asyncio.sleep(0))

    with pytest.raises(DgBudgetError, match="calls that wait can't be used in a predicate; use them before or after"):
        io_thread.run(asks_a_predicate(), timeout=5)
    assert io_thread.run(asyncio.sleep(0, "it goes on"), timeout=5) == "it goes on"


@pytest.mark.parametrize("error", [None, LookupError("too late")])
def test_what_a_handler_in_trio_does_after_it_was_cancelled_is_dropped(
    io_thread: IOThread, error: Exception | None
) -> None:
    uncaught: list[Any] = []
    io_thread.loop.call_soon_threadsafe(
        io_thread.loop.set_exception_handler, lambda _, context: uncaught.append(context)
    )

    async def call_and_cancel() -> None:
        begun, go_on, ended = trio.Event(), trio.Event(), trio.Event()

        async def stubborn() -> str:
            begun.set()
            with trio.CancelScope(shield=True):
                await go_on.wait()
            ended.set()
            if error is not None:
                raise error
            return "too late"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(io_thread.cross, HandlerLoop().run(stubborn))
            await begun.wait()
            nursery.cancel_scope.cancel()
        go_on.set()
        await ended.wait()
        await trio.testing.wait_all_tasks_blocked()
        await io_thread.cross(asyncio.sleep(0))  # what the handler had the I/O thread do is done

    trio.run(call_and_cancel)
    assert uncaught == []


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


def test_code_in_another_thread_than_the_task_runs_in_none() -> None:
    async def asked_in_a_thread() -> bool:
        return await asyncio.to_thread(in_task)

    assert not asyncio.run(asked_in_a_thread())


def test_code_beside_a_loop_in_another_thread_runs_in_no_task() -> None:
    async def task(begun: threading.Event, asked: threading.Event) -> None:
        begun.set()
        asked.wait(10)

    begun, asked = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as other:
        other.submit(asyncio.run, task(begun, asked))
        assert begun.wait(10)
        assert not in_task()
        asked.set()


def test_code_in_a_loop_that_is_nested_in_a_task_runs_in_a_task_and_so_does_what_follows() -> None:
    """What nest_asyncio allows."""

    async def nests() -> tuple[bool, bool]:
        outer = asyncio.get_running_loop()
        inner = asyncio.new_event_loop()
        asyncio._set_running_loop(None)
        try:
            nested = inner.run_until_complete(asked_in_a_task())
        finally:
            inner.close()
            asyncio._set_running_loop(outer)
        return nested, in_task()

    assert asyncio.run(nests()) == (True, True)


def test_what_pytest_calls_runs_in_no_task_even_if_pytest_itself_does(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("from pytest_dgbudget.control.io_thread import in_task\ndef test_it(): assert not in_task()")

    async def cell() -> Any:
        return pytester.inline_run("-p", "no:asyncio")

    asyncio.run(cell()).assertoutcome(passed=1)
