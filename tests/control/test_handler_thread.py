"""Handlers of sync tests run on threads of their own, which keep neither a test nor the process waiting."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.control.handler_thread import run_in_thread
from pytest_dgbudget.control.io_thread import IOThread

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.asyncio
async def test_each_handler_has_a_thread_of_its_own_and_an_async_one_a_loop_there() -> None:
    met = threading.Barrier(2)

    def plain() -> tuple[bool, bool]:
        met.wait(10)
        return threading.current_thread() is threading.main_thread(), threading.current_thread().daemon

    async def waits() -> bool:
        await asyncio.sleep(0)
        met.wait(10)
        return threading.current_thread() is threading.main_thread()

    of_plain, of_async = await asyncio.gather(run_in_thread(plain), run_in_thread(waits))
    assert (of_plain, of_async) == ((False, True), False)


@pytest.mark.asyncio
async def test_a_plain_handler_may_run_a_loop_itself() -> None:
    assert await run_in_thread(lambda: asyncio.run(asyncio.sleep(0, "done"))) == "done"


class Odd(BaseException):
    """What no ``except Exception`` catches."""


@pytest.mark.parametrize("error", [LookupError("gone"), Odd("gone"), SystemExit(3), asyncio.CancelledError("gone")])
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.asyncio
async def test_what_a_handler_raises_comes_back(error: BaseException, is_async: bool) -> None:
    def fails() -> Any:
        raise error

    async def fails_later() -> Any:
        raise error

    with pytest.raises(type(error)):
        await run_in_thread(fails_later if is_async else fails)


@pytest.mark.asyncio
async def test_stop_iteration_comes_back_as_the_cause_of_a_runtime_error() -> None:
    answers: Any = iter([])
    with pytest.raises(RuntimeError, match="the handler raised StopIteration") as caught:
        await asyncio.wait_for(run_in_thread(lambda: next(answers)), 10)
    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.asyncio
async def test_cancelling_it_cancels_an_async_handler() -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    await _cancelled(run_in_thread(waits), begun)
    assert await asyncio.to_thread(cancelled.wait, 10)


@pytest.mark.parametrize("error", [None, LookupError("too late"), StopIteration()])
@pytest.mark.asyncio
async def test_what_a_plain_handler_returns_or_raises_after_it_was_cancelled_is_dropped(
    error: BaseException | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, threads = threading.Event(), threading.Event(), []
    uncaught: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", uncaught.append)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: uncaught.append(context))

    def stubborn() -> str:
        threads.append(threading.current_thread())
        begun.set()
        go_on.wait(10)
        if error is not None:
            raise error
        return "too late"

    await _cancelled(run_in_thread(stubborn), begun)
    go_on.set()
    await asyncio.to_thread(threads[0].join, 10)
    assert not threads[0].is_alive()
    await asyncio.sleep(0)  # what the thread had the loop do is done
    assert uncaught == []


async def _cancelled(work: Awaitable[Any], begun: threading.Event) -> None:
    task = asyncio.ensure_future(work)
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def leave_handlers_that_never_return() -> None:
    """What a process does for the test below."""
    thread = IOThread()
    for handler in (threading.Event().wait, lambda: asyncio.Event().wait()):
        with pytest.raises(TimeoutError):
            thread.run(run_in_thread(handler), 0.1)
    thread.stop()


def test_a_process_ends_while_a_handler_never_does() -> None:
    work = f"import {__name__} as module; module.{leave_handlers_that_never_return.__name__}()"
    subprocess.run([sys.executable, "-c", work], cwd=ROOT, timeout=30, check=True)
