"""``voice_agent.latency``: what a report will say of the turns of a test so far, in seconds."""

from __future__ import annotations

from hypothesis import given

from pytest_dgbudget.client.latency import Latency, latency_of
from pytest_dgbudget.model import MeasuredTurn
from pytest_dgbudget.rules.turn_figures import marked_turns, turn_figures
from tests.report.test_attempts import TURNS
from tests.rules.test_turn_figures import ALL, TURN


def test_without_a_turn_there_is_no_latency() -> None:
    assert latency_of([]) == Latency(p50=None, p95=None, turns=0, **marked_turns([]))


def test_percentiles_are_seconds_of_the_turns_that_are_judged_and_marks_of_all() -> None:
    assert latency_of([TURN]).p50 == latency_of([TURN]).p95 == 0.4
    assert latency_of(ALL) == Latency(
        p50=0.6, p95=None, turns=3, overlapped=1, unpaced=1, transcript=1, continued=1, unanswered=1
    )


@given(TURNS)
def test_it_is_what_the_report_says(turns: list[MeasuredTurn]) -> None:
    figures, latency = turn_figures(turns), latency_of(turns)
    in_ms = [None if each is None else round(each * 1000) for each in (latency.p50, latency.p95)]
    assert in_ms == [figures["latency_p50_ms"], figures["latency_p95_ms"]]
    apart = figures["transcript_latency"]
    assert latency.turns + (0 if apart is None else apart["turns"]) + latency.continued <= len(turns)
    assert figures["marked_turns"] == {name: getattr(latency, name) for name in figures["marked_turns"] or {}}
