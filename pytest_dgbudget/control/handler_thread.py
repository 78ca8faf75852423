"""A handler of the user's on a thread of its own, in a sync test."""

from __future__ import annotations

import contextlib
import threading
from asyncio.events import get_running_loop
from asyncio.futures import wrap_future
from asyncio.runners import run
from asyncio.tasks import current_task
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextvars import copy_context
from typing import Any

# Bound before a test can replace them.
_Thread = threading.Thread
_start = threading.Thread.start


async def run_in_thread(handler: Callable[[], Any]) -> Any:
    """Call a handler on a thread of its own; await what it returns, if that can be awaited, in a loop there.

    Cancelling this cancels what is awaited there. A plain handler can't be cancelled: it runs on, what it returns or
    raises is dropped, and a process doesn't wait for it at its end.
    """
    done: Future[Any] = Future()
    work = copy_context().run
    _start(_Thread(target=work, args=(_run, handler, done), name="dgbudget-handler", daemon=True))
    return await wrap_future(done)


def _run(handler: Callable[[], Any], done: Future[Any]) -> None:
    try:
        result = handler()
        if isinstance(result, Awaitable):
            result = run(_await_until_cancelled(result, done))
    except StopIteration as error:  # which no future of asyncio takes
        wrapped = RuntimeError("the handler raised StopIteration")
        wrapped.__cause__ = error
        _settle(done.set_exception, wrapped)
    except BaseException as error:  # pytest.fail() and pytest.skip() are no Exceptions
        _settle(done.set_exception, error)
    else:
        _settle(done.set_result, result)


async def _await_until_cancelled(result: Awaitable[Any], done: Future[Any]) -> Any:
    loop, task = get_running_loop(), current_task()
    assert task is not None

    def cancel(done: Future[Any]) -> None:
        if done.cancelled():
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(task.cancel)

    done.add_done_callback(cancel)
    return await result


def _settle(settle: Callable[[Any], None], value: Any) -> None:
    with contextlib.suppress(InvalidStateError):  # it was cancelled
        settle(value)
