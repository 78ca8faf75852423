"""Tell when something may have become free in the ledger: found out on a thread and a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import Watch
from pytest_dgbudget.ledger.reconnect_pause import ReconnectPause

# How long it takes at most until ``stop`` is heard.
_LOOKS_SECONDS = 0.1


class Changes:
    """Watches until it is stopped; a ledger that can't be reached is tried again, with longer and longer pauses.

    ``open_watch`` is called on the watching thread, and raises LedgerError where the ledger can't be reached.
    """

    def __init__(self, open_watch: Callable[[], Watch]) -> None:
        self._open_watch = open_watch
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called, on the watching thread, whenever something may have become free.

        That is also once it watches, at first and after each loss of the connection: nobody knows what was missed.
        """
        thread = threading.Thread(target=self._watch, args=(callback,), name="ledger-changes", daemon=True)
        thread.start()
        self._thread = thread

    def stop(self) -> None:
        """Watch no longer: after this, ``callback`` is not called any more. Not to be called by ``callback``."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, callback: Callable[[], None]) -> None:
        pause = ReconnectPause()
        while not self._stopping.wait(pause.seconds):
            with suppress(LedgerError), closing(self._open_watch()) as watch:
                pause.succeeded()
                callback()
                self._call_at_changes(watch, callback)
            pause.failed()

    def _call_at_changes(self, watch: Watch, callback: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            if watch.has_changed(_LOOKS_SECONDS):
                callback()
