"""Watch a process that is not our child."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from pytest_dgbudget.processes import process_started

_POLL_SECONDS = 0.25


class ProcessWatch:
    """Calls ``gone`` once when the process ends. A forked child may hold a dead owner's connection open for long.

    A process that we can't see, such as one in another container, is not watched: only the end of its connection shows.
    """

    def __init__(self, pid: int, started: str | None, gone: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pid = pid
        self._gone = gone
        self._descriptor: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        if process_started(pid) != started:
            return
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except (AttributeError, OSError):  # there is no such call, or no descriptor left
            self._poll()
        else:
            self._loop.add_reader(self._descriptor, self._ended)

    def stop(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
        if self._timer is not None:
            self._timer.cancel()

    def _poll(self) -> None:
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            self._ended()
        except OSError:
            return
        else:
            self._timer = self._loop.call_later(_POLL_SECONDS, self._poll)

    def _ended(self) -> None:
        self.stop()
        self._gone()
