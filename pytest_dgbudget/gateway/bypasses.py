"""What was dialled past the gateway."""

from __future__ import annotations

from pytest_dgbudget.gateway.events import BypassReported, Events
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import Bypass

# Who dials in a loop says the same again and again.
_MOST_BYPASSES = 100


class Bypasses:
    """Records, and tells of, what was dialled past the gateway, or about to be; the same again is no news."""

    def __init__(self, ledger: Ledger, ledger_thread: LedgerThread, events: Events) -> None:
        self._ledger = ledger
        self._ledger_thread = ledger_thread
        self._events = events
        self._without_test: list[Bypass] = []

    def note(self, grant: Grant | None, bypass: Bypass) -> None:
        """Keep one of a test; None: no test ran."""
        known = self._without_test if grant is None else grant.bypasses
        if bypass not in known and len(known) < _MOST_BYPASSES:
            known.append(bypass)
            attempt = None if grant is None else grant.attempt.id
            self._events.emit(BypassReported(attempt=attempt, bypass=bypass))
            self._ledger_thread.enqueue(self._ledger.record_bypass, new_id(), attempt, bypass)
