"""When a session is closed as idle."""

from __future__ import annotations

from pytest_dgbudget.gateway.clock import Clock, Timer
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.relay import Relay
from pytest_dgbudget.gateway.relay_states import RelayState
from pytest_dgbudget.protocol.codes import IDLE
from pytest_dgbudget.units import format_time


class IdleWatch:
    """Closes a session when nothing but keep-alives has moved for ``idle_ms``, until it is stopped."""

    def __init__(self, relay: Relay, clock: Clock, idle_ms: int) -> None:
        self._relay = relay
        self._clock = clock
        self._idle_ms = idle_ms
        self._timer: Timer | None = None
        self._look()

    def stop(self) -> None:
        """Watch no longer; else the timer would keep the session, and all that is its, until it is due."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self._relay.state is not RelayState.OPEN:
            return
        inspection = self._relay.inspection
        if inspection.waits_for_client:
            inspection.moved()
        closes_at_ms = inspection.last_moved_ms + self._idle_ms
        if closes_at_ms <= self._clock.now_ms():
            self._relay.close("idle", Close(IDLE, self._reason()))
        else:
            self._timer = self._clock.call_at_ms(closes_at_ms, self._look)

    def _reason(self) -> str:
        idle = format_time(self._idle_ms)
        return f"nothing but keep-alives for {idle}; close it, or raise --dg-idle-timeout or the marker's idle"
