"""Latencies of turns into the figures that are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a Protocol takes long to make, at every start of pytest
    from typing import Protocol

    from pytest_dgbudget.model import TurnSince

    class JudgedTurn(Protocol):
        """What of a turn counts in percentiles, wherever it is recorded."""

        @property
        def since(self) -> TurnSince: ...

        @property
        def unpaced(self) -> int: ...

        @property
        def continued(self) -> int: ...

        @property
        def latency_ms(self) -> int | None: ...


def percentile_ms(latencies_ms: Sequence[int | None], percent: int) -> int | None:
    """Return a nearest-rank percentile; None when that turn was never answered, or there is none.

    None among the latencies is a turn without an answer: slower than any other.
    """
    if not latencies_ms:
        return None
    rank = -(-len(latencies_ms) * percent // 100)
    by_latency = sorted(latencies_ms, key=lambda ms: (ms is None, ms or 0))
    return by_latency[max(0, rank - 1)]


def judged_latencies_ms(turns: Iterable[JudgedTurn]) -> list[int | None]:
    """Return the latencies that count in percentiles: not of turns that went on, came too fast, or had no readable
    audio. None: no answer.
    """
    return [turn.latency_ms for turn in turns if not turn.continued and not turn.unpaced and turn.since != "transcript"]
