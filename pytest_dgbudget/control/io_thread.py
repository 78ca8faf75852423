"""One I/O thread with an event loop of its own, whatever loop, or none, the test runs in."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import socket
import sys
import threading
import weakref
from asyncio.events import _get_running_loop, get_running_loop, set_event_loop
from asyncio.futures import wrap_future
from asyncio.tasks import all_tasks, current_task, gather, run_coroutine_threadsafe
from collections.abc import Awaitable, Callable, Coroutine
from types import FrameType, TracebackType
from typing import Any, TypeVar

from pytest_dgbudget.control import real_time
from pytest_dgbudget.control.real_sockets import real_sockets
from pytest_dgbudget.errors import DgBudgetError, GatewayError

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

T = TypeVar("T")

# Bound before a test can replace them.
_Thread = threading.Thread
_start = threading.Thread.start
_recv = socket.socket.recv
_send = socket.socket.send


class _RealTimeLoop(asyncio.SelectorEventLoop):
    """Its timers and its wake-ups are what they were before a test replaced ``time.monotonic`` or ``socket``."""

    _csock: socket.socket | None
    _ssock: socket.socket

    def time(self) -> float:
        return real_time.seconds()

    def _write_to_self(self) -> None:
        """Wake the loop, unless it has been closed; where as much as fits is unread, it wakes anyway."""
        if self._csock is not None:
            with contextlib.suppress(OSError):
                _send(self._csock, b"\0")

    def _read_from_self(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while _recv(self._ssock, 4096):
                pass


class FromHandler(Exception):
    """Carries what a handler of the user's raised, with the handler's own traceback, out of the I/O thread."""

    def __init__(self, error: BaseException, traceback: TracebackType | None) -> None:
        super().__init__(error)
        self.error = error
        self.traceback = traceback

    def unpacked(self) -> BaseException:
        return self.error.with_traceback(self.traceback)


class IOThread:
    """Runs coroutines on its thread; ``run`` waits for one in a sync test, ``cross`` in an async one.

    ``is_in_parent``: this process was forked from the one whose thread it is.
    """

    def __init__(self) -> None:
        with real_sockets():
            self.loop = _RealTimeLoop()
        self._thread = _Thread(target=self._serve, name="dgbudget-io", daemon=True)
        _start(self._thread)
        self.is_in_parent = False
        _THREADS.add(self)

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Block until the work is done; an interrupt or a timeout (seconds) cancels it."""
        self._refuse_in_child(work)
        self._refuse_on_own_thread(work)
        future = run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except FromHandler as carried:
            raised = carried.unpacked()
        except DgBudgetError as error:
            raise error.with_traceback(None) from error.__cause__
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            # Until Python 3.11 this is not the built-in TimeoutError.
            raise error if isinstance(error, TimeoutError) else TimeoutError from error
        except BaseException:
            future.cancel()
            raise
        raise raised

    async def cross(self, work: Coroutine[Any, Any, T]) -> T:
        """Await the work from asyncio or trio; cancelling the caller cancels it."""
        self._refuse_in_child(work)
        try:
            if in_trio():
                return await _cross_from_trio(self.loop, work)
            return await wrap_future(run_coroutine_threadsafe(work, self.loop))
        except FromHandler as carried:
            raised = carried.unpacked()
        except DgBudgetError as error:
            raise error.with_traceback(None) from error.__cause__
        raise raised

    def stop(self) -> None:
        """End the thread, with whatever still runs on it."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(5)

    def _refuse_in_child(self, work: Coroutine[Any, Any, Any]) -> None:
        """Raise GatewayError in a forked child: the thread is its parent's, and would never do the work."""
        if self.is_in_parent:
            work.close()
            raise GatewayError(_FORKED)

    def _refuse_on_own_thread(self, work: Coroutine[Any, Any, Any]) -> None:
        """Raise DgBudgetError on the I/O thread, which would wait for itself."""
        if _get_running_loop() is self.loop:
            work.close()
            raise DgBudgetError(_IN_PREDICATE)

    def _serve(self) -> None:
        set_event_loop(self.loop)
        self.loop.run_forever()
        left = all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(gather(*left, return_exceptions=True))
        self.loop.close()


_FORKED = (
    "this process was forked in the middle of a test, and voice_agent and its sessions stay with the parent; "
    "here, connect to voice_agent.endpoint with a client of your own"
)
_IN_PREDICATE = (
    "session.usage, check_protocol() and other calls that wait can't be used in a predicate; "
    "use them before or after the call that takes the predicate"
)
_THREADS: weakref.WeakSet[IOThread] = weakref.WeakSet()


def _leave_in_parent() -> None:
    for thread in list(_THREADS):
        thread.is_in_parent = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_in_parent)


def in_trio() -> bool:
    """Tell whether the caller runs in trio, without importing it."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def in_task() -> bool:
    """Tell whether the caller runs in a task of asyncio or trio, which a wait would block together with its loop.

    A loop that runs is not enough: playwright's sync API leaves one running in another greenlet, and a notebook's cell
    runs the whole of pytest in a task. So the task must be on the stack, between the caller and pytest.
    """
    if in_trio():
        return True
    loop = _get_running_loop()
    task = None if loop is None else current_task(loop)
    return task is not None and _is_between_us_and_pytest(task.get_coro())


def _is_between_us_and_pytest(coroutine: object) -> bool:
    of_coroutine = getattr(coroutine, "cr_frame", None)
    if of_coroutine is None:
        return True  # a compiled coroutine has no frame of its own
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not str(frame.f_globals.get("__name__")).startswith("pluggy."):
        if frame is of_coroutine:
            return True
        frame = frame.f_back
    return False


async def _cross_from_trio(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Trio's cancellation waits for the work's own end: a task may be rescheduled only once."""
    import outcome
    import trio

    task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
    raise_cancel: list[Callable[[], Any]] = []
    future = run_coroutine_threadsafe(work, loop)

    def resume() -> None:
        result = outcome.capture(raise_cancel[0] if future.cancelled() and raise_cancel else future.result)
        trio.lowlevel.reschedule(task, result)

    def abort(raise_cancelled: Callable[[], Any]) -> Any:
        raise_cancel.append(raise_cancelled)
        future.cancel()
        return trio.lowlevel.Abort.FAILED

    future.add_done_callback(lambda _: token.run_sync_soon(resume))
    result: T = await trio.lowlevel.wait_task_rescheduled(abort)
    return result


class HandlerLoop:
    """Where the handlers of an async test run: the loop that it was made in, asyncio's or trio's."""

    def __init__(self) -> None:
        self._trio_token: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        if in_trio():
            self._trio_token = sys.modules["trio"].lowlevel.current_trio_token()
        else:
            self._loop = get_running_loop()

    async def run(self, handler: Callable[[], Any]) -> Any:
        """Call a handler in that loop, from the I/O thread; await what it returns if that can be awaited.

        Cancelling this cancels what is awaited.
        """
        if self._loop is not None:
            return await wrap_future(run_coroutine_threadsafe(_called(handler), self._loop))
        return await self._run_in_trio(handler)

    async def _run_in_trio(self, handler: Callable[[], Any]) -> Any:
        trio = sys.modules["trio"]
        here = get_running_loop()
        done: asyncio.Future[Any] = here.create_future()
        scope = trio.CancelScope()

        async def call() -> None:
            try:
                with scope:
                    result = await _called(handler)
                if scope.cancelled_caught:
                    return
            except trio.Cancelled:
                raise
            except BaseException as error:  # pytest.fail() and pytest.skip() are no Exceptions
                here.call_soon_threadsafe(_unless_done, done, done.set_exception, error)
            else:
                here.call_soon_threadsafe(_unless_done, done, done.set_result, result)

        self._trio_token.run_sync_soon(lambda: trio.lowlevel.spawn_system_task(call))
        try:
            return await done
        except asyncio.CancelledError:
            with contextlib.suppress(trio.RunFinishedError):
                self._trio_token.run_sync_soon(scope.cancel)
            raise


async def _called(handler: Callable[[], Any]) -> Any:
    result = handler()
    return await result if isinstance(result, Awaitable) else result


def _unless_done(done: asyncio.Future[Any], settle: Callable[[Any], None], value: Any) -> None:
    """A handler that shields itself may end after its call was cancelled."""
    if not done.done():
        settle(value)
