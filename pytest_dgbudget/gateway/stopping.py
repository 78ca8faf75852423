"""--dg-on-exhausted=stop: once a budget that tests share has too little left for a session, no further test begins."""

from __future__ import annotations

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.gateway.events import Event, Events, RunIsStopping, SessionRefused
from pytest_dgbudget.model import Overrun
from pytest_dgbudget.rules.budget import is_shared_refusal, stop_reason


class Stopping:
    """Knows the first refusal for which the run is to stop."""

    def __init__(self, run_config: RunConfig, events: Events) -> None:
        self._events = events
        self._refused: Overrun | None = None
        if run_config.on_exhausted == "stop":
            events.subscribe(self._note)

    def reason(self) -> str | None:
        """Return why no test is to begin any more, for who begins them; None while tests go on."""
        if self._refused is None:
            return None
        reason = stop_reason(self._refused)
        self._events.emit(RunIsStopping(reason=reason))
        return reason

    def _note(self, event: Event) -> None:
        if isinstance(event, SessionRefused) and self._refused is None and is_shared_refusal(event.overrun):
            self._refused = event.overrun
