"""Tell when something may have become free in the ledger: found out on a thread and a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import Watch

# How long it takes at most until ``stop`` is heard.
_LOOKS_SECONDS = 0.1
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0


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
        self._thread = threading.Thread(target=self._watch, args=(callback,), name="ledger-changes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer: after this, ``callback`` is not called any more. Not to be called by ``callback``."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, callback: Callable[[], None]) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = _SHORTEST_PAUSE_SECONDS if self._watched(callback) else _longer(pause)

    def _watched(self, callback: Callable[[], None]) -> bool:
        """Watch until that fails, or is stopped; return whether it has begun."""
        began = False
        with suppress(LedgerError), closing(self._open_watch()) as watch:
            began = True
            callback()
            self._call_at_changes(watch, callback)
        return began

    def _call_at_changes(self, watch: Watch, callback: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            if watch.has_changed(_LOOKS_SECONDS):
                callback()


def _longer(pause: float) -> float:
    return min(max(2 * pause, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
