"""The ledger on a thread of its own: the loop that cuts never waits for a disk."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import LedgerLocked, LedgerNotWritable
from pytest_dgbudget.ledger.ledger import Ledger

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class _Note:
    """A call that nobody waits for, and when it was handed over."""

    asked_at: float
    call: Callable[[], object]


class LedgerThread:
    """Runs ledger calls one after the other, in the order in which they were handed over.

    Each waits for other processes from that moment on: those after one that had to wait have waited with it.
    ``failed`` is called in the loop, once, when nothing can be written any more: from then on nothing may be opened.
    """

    def __init__(self, failed: Callable[[LedgerError], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._failed = failed
        self._stopped = False
        self._ledger: Ledger | None = None
        self._notes: deque[_Note] = deque()
        self.error: LedgerError | None = None

    def attach(self, ledger: Ledger) -> None:
        """From now on, notes are written into this ledger."""
        self._ledger = ledger

    async def call(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call and return its result; raises LedgerError.

        Where nothing can be written any more, what is open could not be recorded either: the ledger counts as failed.
        """
        try:
            return await asyncio.wrap_future(
                self._thread.submit(self._run, time.monotonic(), partial(call, *args, **kwargs))
            )
        except LedgerNotWritable as error:
            if self._ledger is not None:
                self._fail(error)
            raise

    def enqueue(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run a call later, together with others that wait. After a failure, nothing more is written.

        What another process keeps from being written is no failure: it is tried again. A lease whose session could not
        be recorded stays open, for the next run to charge in full.
        """
        self._notes.append(_Note(time.monotonic(), partial(call, *args, **kwargs)))
        self._submit_write()

    def check(self) -> None:
        """Raise the LedgerError for which nothing can be written any more, if there is one."""
        if self.error is not None:
            raise self.error

    async def written(self) -> None:
        """Return when everything that was handed over so far has run, or has waited for others as long as it may."""
        await asyncio.wrap_future(self._thread.submit(lambda: None))

    async def close(self) -> None:
        """Close the ledger, and try nothing again."""
        await self.written()
        self._stopped = True
        if self._ledger is not None:
            await self.call(self._ledger.close)
        self._thread.shutdown()

    def _run(self, asked_at: float, call: Callable[[], R]) -> R:
        if self._ledger is not None:
            self._ledger.wait_since(asked_at)
        return call()

    def _submit_write(self) -> None:
        self._thread.submit(self._write).add_done_callback(self._check)

    def _write(self) -> None:
        if self._stopped or not self._notes:
            return
        assert self._ledger is not None
        written: list[_Note] = []
        try:
            self._ledger.wait_since(self._notes[0].asked_at)
            with self._ledger.together():
                while self._notes:
                    written.append(self._notes.popleft())
                    written[-1].call()
        except LedgerLocked:
            self._notes.extendleft(reversed(written))
            raise
        except BaseException:
            self._stopped = True
            raise

    def _check(self, done: Future[None]) -> None:
        error = done.exception()
        if isinstance(error, LedgerLocked):
            self._submit_write()  # on the ledger's thread, and so ahead of what is asked next
        elif error is not None:
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error if isinstance(error, LedgerError) else LedgerError(f"the ledger failed: {error!r}")
            self._failed(self.error)
