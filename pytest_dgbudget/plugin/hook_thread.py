"""A thread that calls what one plugin implements, so that nothing waits for it longer than it wants to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from pytest_dgbudget.control import real_time

# Bound before a test can replace them.
_Thread = threading.Thread
_start = threading.Thread.start
_Event = threading.Event


class HookCall:
    """One call of one implementation: it has a ``result`` or an ``error`` once it is ``done``."""

    def __init__(self, hook: str, call: Callable[[], Any]) -> None:
        self.hook = hook
        self.done = _Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self._call = call

    def run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:  # pytest.fail() and sys.exit() are no Exceptions
            self.error = error


class HookThread:
    """Makes one call after the other, in the order in which they were put; a process does not wait for its end.

    ``raised`` is called there with a call that has failed. ``is_late``: the last wait for it was in vain.
    """

    def __init__(self, raised: Callable[[HookCall], None]) -> None:
        self._raised = raised
        self._waiting: SimpleQueue[HookCall] = SimpleQueue()
        self._last: HookCall | None = None
        self._running: HookCall | None = None
        self._since = 0.0
        self.is_late = False
        _start(_Thread(target=self._serve, name="dgbudget-hooks", daemon=True))

    def put(self, call: HookCall) -> None:
        self._last = call
        self._waiting.put(call)

    def wait(self, seconds: float) -> bool:
        """Wait until every call that was put is done, or so many seconds; return whether it is."""
        return self._last is None or self.wait_for(self._last, seconds)

    def wait_for(self, call: HookCall, seconds: float) -> bool:
        """Wait until a call is done, or so many seconds; return whether it is."""
        self.is_late = not call.done.wait(max(0.0, seconds))
        return not self.is_late

    @property
    def running(self) -> tuple[str, float, int] | None:
        """The hook that is being called, for how many seconds by now, and how many calls wait for it."""
        running = self._running
        return None if running is None else (running.hook, real_time.seconds() - self._since, self._waiting.qsize())

    def _serve(self) -> None:
        while True:
            call = self._waiting.get()
            self._since = real_time.seconds()
            self._running = call
            call.run()
            self._running = None
            try:
                if call.error is not None:
                    self._raised(call)
            finally:
                call.done.set()
