"""How long the user waited for the agent's answers in a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_dgbudget.model import MeasuredTurn
from pytest_dgbudget.rules.percentiles import judged_latencies_ms, percentile_ms
from pytest_dgbudget.rules.turn_figures import marked_turns
from pytest_dgbudget.units import seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The silence before the agent's answers, over the turns of a test so far.

    ``p50`` and ``p95`` are nearest-rank percentiles in seconds, over ``turns`` turns: None where there is none, or
    where the turn at that rank was never answered. Some of these may have ``overlapped`` what the agent was still
    saying, or were ``unanswered`` by the end of their session. Turns with another mark are not among them: ``unpaced``
    (the user's audio came faster than 1.5 times real time), ``transcript`` (all that is known of the audio is what the
    agent took it to say), ``continued`` (the user went on before an answer).
    """

    p50: float | None
    p95: float | None
    turns: int
    overlapped: int
    unpaced: int
    transcript: int
    continued: int
    unanswered: int


def latency_of(turns: Sequence[MeasuredTurn]) -> Latency:
    """Return what the turns of a test come to."""
    judged = judged_latencies_ms(turns)
    p50_ms, p95_ms = percentile_ms(judged, 50), percentile_ms(judged, 95)
    return Latency(
        p50=None if p50_ms is None else seconds(p50_ms),
        p95=None if p95_ms is None else seconds(p95_ms),
        turns=len(judged),
        **marked_turns(turns),
    )
