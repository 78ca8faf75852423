"""What is shown of turns: the percentiles of their latencies, and what stands beside these."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, TypedDict

from pytest_dgbudget.rules.percentiles import judged_latencies_ms, percentile_ms

if TYPE_CHECKING:  # a Protocol takes long to make, at every start of pytest
    from typing import Protocol

    from pytest_dgbudget.rules.percentiles import JudgedTurn

    class ShownTurn(JudgedTurn, Protocol):
        """What is shown of a turn, wherever it is recorded."""

        @property
        def overlapped(self) -> int: ...

        @property
        def function_ms(self) -> int: ...


class MarkedTurns(TypedDict):
    """How many turns have a mark. ``overlapped`` ones are judged, ``unanswered`` ones as slower than any limit.

    ``transcript``: their audio can't be read, or is never loud, so they are measured from the ConversationText.
    """

    overlapped: int
    unpaced: int
    transcript: int
    continued: int
    unanswered: int


class TranscriptLatency(TypedDict):
    """Percentiles of turns that are measured from the ConversationText, and how many of them there are.

    They are kept apart: what the vendor took to write that text is not in them.
    """

    turns: int
    p50_ms: int | None
    p95_ms: int | None


class VendorLatency(TypedDict):
    """What the vendor's own LatencyReports have as ``total_latency``: how many of them, and percentiles.

    They are never mixed with ours, which are measured on the wire.
    """

    reports: int
    p50_ms: int | None
    p95_ms: int | None


class TurnFigures(TypedDict):
    """How many turns there were, and what they came to: all None where nobody saw how a session went on.

    ``transcript_latency`` is None where no turn is measured so, ``function_max_ms`` the longest time that client
    functions took before an answer.
    """

    turns: int | None
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    marked_turns: MarkedTurns | None
    transcript_latency: TranscriptLatency | None
    function_max_ms: int | None


def turn_figures(turns: Collection[ShownTurn] | None) -> TurnFigures:
    """Compute the figures of turns; None: not all of them are known."""
    latencies_ms = judged_latencies_ms(turns or ())
    return {
        "turns": None if turns is None else len(turns),
        "latency_p50_ms": percentile_ms(latencies_ms, 50),
        "latency_p95_ms": percentile_ms(latencies_ms, 95),
        "marked_turns": None if turns is None else marked_turns(turns),
        "transcript_latency": _transcript_latency(turns or ()),
        "function_max_ms": None if turns is None else max((turn.function_ms for turn in turns), default=0),
    }


def marked_turns(turns: Iterable[ShownTurn]) -> MarkedTurns:
    """Count the turns with each mark; one may have several."""
    turns = list(turns)
    return {
        "overlapped": sum(bool(turn.overlapped) for turn in turns),
        "unpaced": sum(bool(turn.unpaced) for turn in turns),
        "transcript": sum(turn.since == "transcript" for turn in turns),
        "continued": sum(bool(turn.continued) for turn in turns),
        "unanswered": sum(turn.latency_ms is None and not turn.continued for turn in turns),
    }


def vendor_latency(totals_ms: Sequence[int] | None) -> VendorLatency | None:
    """Compute the figures of LatencyReports; None: not all of them are known."""
    if totals_ms is None:
        return None
    return {
        "reports": len(totals_ms),
        "p50_ms": percentile_ms(totals_ms, 50),
        "p95_ms": percentile_ms(totals_ms, 95),
    }


def _transcript_latency(turns: Iterable[ShownTurn]) -> TranscriptLatency | None:
    apart = [turn.latency_ms for turn in turns if turn.since == "transcript" and not turn.continued]
    if not apart:
        return None
    return {"turns": len(apart), "p50_ms": percentile_ms(apart, 50), "p95_ms": percentile_ms(apart, 95)}
