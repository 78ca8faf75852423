"""Clients whose token means no test: who is told of them."""

from __future__ import annotations

from pytest_dgbudget.gateway.attempts import Attempts
from pytest_dgbudget.gateway.events import Events, StrangerRefused
from pytest_dgbudget.gateway.refusals import RequestRefused


class Strangers:
    """Tells the test that runs of a stranger, or the run."""

    def __init__(self, attempts: Attempts, events: Events) -> None:
        self._attempts = attempts
        self._events = events

    def note(self, status: int, code: str, reason: str) -> None:
        """Tell the test that runs, or the run if not exactly one does, of a client whose token means nothing."""
        running = [grant for grant in self._attempts.grants() if not grant.ended.done()]
        if len(running) == 1:
            running[0].note_refusal(status, code, reason)
        else:
            self._events.emit(StrangerRefused(status=status, code=code, reason=reason))

    def note_without_test(self, refused: RequestRefused) -> None:
        """Tell the run of a client that came with a token while it meant no test, or several."""
        self._events.emit(StrangerRefused(status=refused.status, code=refused.code, reason=refused.message))
