"""Work in the background of a session: it ends with the session, and its failure fails the session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class BackgroundTasks:
    """``on_done`` is called when one has ended; ``raise_failure`` then raises what it raised."""

    def __init__(self, on_done: Callable[[], None]) -> None:
        self._on_done = on_done
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._on_done())

    def cancel(self) -> None:
        """Stop them all and ignore their failures."""
        for task in self._tasks:
            task.cancel()
            task.add_done_callback(_forget)
        self._tasks.clear()

    def raise_failure(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            task.result()


def _forget(task: asyncio.Task[None]) -> None:
    """Take its exception, so that asyncio does not print it."""
    if not task.cancelled():
        task.exception()
