"""The ledger on a thread of its own: the loop that cuts never waits for a disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import LedgerNotWritable
from pytest_dgbudget.ledger.ledger import Ledger

P = ParamSpec("P")
R = TypeVar("R")


class LedgerThread:
    """Runs ledger calls one after the other, in the order in which they were handed over.

    ``failed`` is called in the loop, once, when nothing can be written any more: from then on nothing may be opened.
    """

    def __init__(self, failed: Callable[[LedgerError], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._failed = failed
        self._broken = False
        self._ledger: Ledger | None = None
        self._notes: deque[Callable[[], object]] = deque()
        self.error: LedgerError | None = None

    def attach(self, ledger: Ledger) -> None:
        """From now on, notes are written into this ledger."""
        self._ledger = ledger

    async def call(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call and return its result; raises LedgerError.

        Where nothing can be written any more, what is open could not be recorded either: the ledger counts as failed.
        """
        try:
            return await asyncio.wrap_future(self._thread.submit(call, *args, **kwargs))
        except LedgerNotWritable as error:
            if self._ledger is not None:
                self._fail(error)
            raise

    def enqueue(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run a call later, together with others that wait. After a failure, nothing more is written.

        A lease whose session could not be recorded stays open, for the next run to charge in full.
        """
        self._notes.append(partial(call, *args, **kwargs))
        self._thread.submit(self._write).add_done_callback(self._check)

    def check(self) -> None:
        """Raise the LedgerError for which nothing can be written any more, if there is one."""
        if self.error is not None:
            raise self.error

    async def written(self) -> None:
        """Return when everything that was handed over so far has run."""
        await asyncio.wrap_future(self._thread.submit(lambda: None))

    def close(self) -> None:
        self._thread.shutdown()

    def _write(self) -> None:
        if self._broken or not self._notes:
            return
        assert self._ledger is not None
        try:
            with self._ledger.together():
                while self._notes:
                    self._notes.popleft()()
        except BaseException:
            self._broken = True
            raise

    def _check(self, done: Future[None]) -> None:
        error = done.exception()
        if error is not None:
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error if isinstance(error, LedgerError) else LedgerError(f"the ledger failed: {error!r}")
            self._failed(self.error)
