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
from pytest_dgbudget.ledger.connection import LedgerNotWritable, LedgerUnavailable, LedgerUnreachable
from pytest_dgbudget.ledger.ledger import Ledger

# How soon notes are tried again while there is no connection, which the ledger itself leaves alone for longer.
_CUT_OFF_SECONDS = 0.25

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
        self._is_cut_off = False
        self._next_try: asyncio.TimerHandle | None = None
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

        What can't be written for now, since another process or a lost connection keeps it from that, is no failure: it
        is tried again. A lease whose session could not be recorded stays open, for the next run to charge in full.
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

    async def caught_up(self, within: float) -> None:
        """Return when the ledger can be reached and all is written, at the latest after so many seconds."""
        deadline = self._loop.time() + within
        while await self._is_out_of_reach() and self._loop.time() < deadline:  # noqa: ASYNC110 - no server tells of it
            await asyncio.sleep(_CUT_OFF_SECONDS)

    async def _is_out_of_reach(self) -> bool:
        if self._ledger is None:
            return False
        try:
            await self.call(self._ledger.now)
        except LedgerError as error:
            return isinstance(error, LedgerUnavailable)
        return False

    async def close(self) -> None:
        """Close the ledger, and try nothing again."""
        await self.written()
        self._stopped = True
        if self._next_try is not None:
            self._next_try.cancel()
        if self._ledger is not None:
            await self.call(self._ledger.close)
        self._thread.shutdown()

    def _run(self, asked_at: float, call: Callable[[], R]) -> R:
        if self._ledger is not None:
            self._ledger.wait_since(asked_at)
        if self._is_cut_off:
            self._write()  # what was handed over before is asked for before
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
            self._is_cut_off = False
        except LedgerUnavailable as error:
            self._notes.extendleft(reversed(written))
            self._is_cut_off = isinstance(error, LedgerUnreachable)
            raise
        except BaseException as error:
            self._stopped, self._is_cut_off = True, False
            self._loop.call_soon_threadsafe(self._fail, error)
            raise

    def _check(self, done: Future[None]) -> None:
        error = done.exception()
        if isinstance(error, LedgerUnreachable):
            self._loop.call_soon_threadsafe(self._try_again)
        elif isinstance(error, LedgerUnavailable):
            self._submit_write()  # on the ledger's thread, and so ahead of what is asked next

    def _try_again(self) -> None:
        if self._next_try is None:
            self._next_try = self._loop.call_later(_CUT_OFF_SECONDS, self._submit_again)

    def _submit_again(self) -> None:
        self._next_try = None
        if not self._stopped:
            self._submit_write()

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error if isinstance(error, LedgerError) else LedgerError(f"the ledger failed: {error!r}")
            self._failed(self.error)
