"""A thread that ``threading`` does not list.

It is there from before the first conftest. gevent's ``patch_all`` replaces the locks that are held meanwhile, as by the
import of that conftest, only where no other thread is listed.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from collections.abc import Callable


class UnlistedThread:
    """Runs from the start; a process does not wait for it at its end, and a forked child has none."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._runs = allocate_lock()
        self._runs.acquire()
        start_new_thread(self._run, (run,))

    def _run(self, run: Callable[[], object]) -> None:
        try:
            run()
        finally:
            self._runs.release()

    def is_alive(self) -> bool:
        return self._runs.locked()

    def join(self, timeout: float = -1) -> None:
        """Wait for its end, so many seconds at most; negative: as long as it takes."""
        if self._runs.acquire(timeout=timeout):
            self._runs.release()
