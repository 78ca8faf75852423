"""Work beside a session's own: none outlives it, and what fails there fails the session, unless it was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class Errands:
    """``done`` is called when one has ended; ``look`` then raises what it raised."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._done())

    def cancel(self) -> None:
        """Stop them all; nobody looks at them any more."""
        for task in self._tasks:
            task.cancel()
            task.add_done_callback(_forget)
        self._tasks.clear()

    def look(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            task.result()


def _forget(task: asyncio.Task[None]) -> None:
    """Take its exception, so that asyncio does not print it."""
    if not task.cancelled():
        task.exception()
