"""Where a session waits for nothing: what its messages show of a client or a vendor that stands still. Pure.

Times are milliseconds since the dial. That a turn ends by audio that arrives, silence included, was measured on live
sessions (August 2026).
"""

from __future__ import annotations

from collections.abc import Callable

from pytest_dgbudget.model import Stall
from pytest_dgbudget.units import format_time

# In which nothing comes back while audio is sent: longer than an agent takes to think.
ONE_WAY_MS = 10_000
# Without audio after speech: longer than between two frames.
QUIET_MS = 1000


class Stalls:
    """Watches one session; ``found`` is called with each stall."""

    def __init__(self, found: Callable[[Stall], None]) -> None:
        self._found = found
        self._sent_since_ms: int | None = None
        self._last_sent_ms = 0
        self._is_speaking = False

    def user_audio(self, at_ms: int) -> None:
        """Take audio of the client's."""
        if self._sent_since_ms is None:
            self._sent_since_ms = at_ms
        self._last_sent_ms = at_ms

    def vendor_sent(self) -> None:
        """Take whatever the vendor sent: while its user is silent, a session may well be quiet for long."""
        self._sent_since_ms = None

    def user_started(self) -> None:
        """Take the vendor's word that the user speaks."""
        self._is_speaking = True

    def user_said(self) -> None:
        """Take the words of the user's turn, which has ended."""
        self._is_speaking = False

    def ended(self, at_ms: int) -> None:
        """Judge what was awaited when the session ended."""
        since_ms = self._sent_since_ms
        if since_ms is not None and self._last_sent_ms - since_ms >= ONE_WAY_MS:
            self._found(Stall(kind="one-way", at_ms=since_ms, ms=self._last_sent_ms - since_ms))
        quiet_ms = at_ms - self._last_sent_ms
        if self._is_speaking and quiet_ms >= QUIET_MS:
            self._found(Stall(kind="turn-not-ended", at_ms=self._last_sent_ms, ms=quiet_ms))


def stall_sentence(stall: Stall, request_id: str | None) -> str:
    """Say what a session waited for, and what to change."""
    session = f"session {request_id}" if request_id else "a session without an id"
    lasted, at = format_time(stall.ms), format_time(stall.at_ms)
    if stall.kind == "one-way":
        return f"{session}: from {at} after its dial on, user audio was sent for {lasted}, and nothing more came back"
    return (
        f"{session}: the user began to speak, the last audio was sent {at} after its dial, and the session ended "
        f"{lasted} later without a turn: a turn ends by audio that arrives, silence included, so let the client go on "
        "with silence"
    )
