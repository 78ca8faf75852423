"""What is shown of turns beside the percentiles of their latencies."""

from __future__ import annotations

from typing import TypedDict


class MarkedTurns(TypedDict):
    """How many turns have a mark. ``overlapped`` ones are judged, ``unanswered`` ones as slower than any limit.

    ``transcript``: their audio can't be read, so they are measured from the ConversationText.
    """

    overlapped: int
    unpaced: int
    transcript: int
    continued: int
    unanswered: int


class VendorLatency(TypedDict):
    """What the vendor's own LatencyReports have as ``total_latency``: how many of them, and percentiles.

    They are never mixed with ours, which are measured on the wire.
    """

    reports: int
    p50_ms: int | None
    p95_ms: int | None
