"""Hear of what other gateways have freed in the ledger, as long as somebody here waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from pytest_dgbudget.gateway.daemon_thread import in_daemon_thread
from pytest_dgbudget.ledger.changes import Changes


class LedgerWatch:
    """Nothing is looked at while it is off. ``changed`` is called in the loop."""

    def __init__(self, open_changes: Callable[[], Changes], changed: Callable[[], None]) -> None:
        self._open_changes = open_changes
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._changes: Changes | None = None

    @property
    def is_on(self) -> bool:
        return self._changes is not None

    def start(self) -> None:
        """Watch, if that isn't done already; what has changed before is told as well."""
        if self._changes is None:
            self._changes = self._open_changes()
            with contextlib.suppress(RuntimeError):  # there is no thread left: who waits looks by itself
                self._changes.start(self._tell)

    def stop(self) -> None:
        """Watch no longer. The loop doesn't wait until the watching thread has heard."""
        if self._changes is not None:
            with contextlib.suppress(RuntimeError):  # nor for this: it tells what nobody needs to know
                in_daemon_thread(self._changes.stop, "ledger-changes-end")
            self._changes = None

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the gateway is gone
            self._loop.call_soon_threadsafe(self._changed)
