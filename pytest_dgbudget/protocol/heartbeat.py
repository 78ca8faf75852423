"""When a gateway counts as hung: it owes each of its owners a heartbeat every HEARTBEAT_MS.

Pure: time comes in as integer milliseconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass

HEARTBEAT_MS = 500
# A gateway may hang when more than this many heartbeats in a row are missing …
MISSES = 4
# … and does when the kernel, asked to wait for this many more, one by one, saw none: if both were suspended meanwhile,
# that ends one of these waits early, not all.
CONFIRMATIONS = 2
# An owner that was held up itself (by a regex with the GIL, say) for longer can't know who was late.
_OWN_GAP_MS = 1000


@dataclass(slots=True)
class HeartbeatMonitor:
    """An owner's count of the heartbeats that did not come; it looks every HEARTBEAT_MS."""

    looked_at_ms: int
    missed: int = 0

    def heard(self) -> None:
        """Note a heartbeat."""
        self.missed = 0

    def is_hung(self, now_ms: int) -> bool:
        """Look once more, and return whether the gateway may hang."""
        held_up = now_ms - self.looked_at_ms > _OWN_GAP_MS
        self.missed = 0 if held_up else self.missed + 1
        self.looked_at_ms = now_ms
        return self.missed > MISSES
