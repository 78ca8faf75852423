"""What is shown of turns: each mark is counted, and what is not measured as the others is kept apart."""

from __future__ import annotations

from dataclasses import replace

from pytest_dgbudget.model import MeasuredTurn
from pytest_dgbudget.rules.turn_figures import marked_turns, turn_figures, vendor_latency

TURN = MeasuredTurn(
    started_ms=1000, since="audio", answered_ms=1400, overlapped=False, unpaced=False, continued=False, function_ms=0
)
OVERLAPPED = replace(TURN, overlapped=True, answered_ms=1600)
UNPACED = replace(TURN, unpaced=True, answered_ms=5000)
TRANSCRIPT = replace(TURN, since="transcript", answered_ms=1100)
CONTINUED = replace(TURN, continued=True, answered_ms=None)
UNANSWERED = replace(TURN, answered_ms=None)
ALL = [TURN, OVERLAPPED, UNPACED, TRANSCRIPT, CONTINUED, UNANSWERED]


def test_each_mark_is_counted_and_one_that_the_user_went_on_with_is_not_unanswered() -> None:
    assert marked_turns(ALL) == {"overlapped": 1, "unpaced": 1, "transcript": 1, "continued": 1, "unanswered": 1}
    assert marked_turns([replace(UNPACED, overlapped=True)]) == {
        **marked_turns([]),
        "overlapped": 1,
        "unpaced": 1,
    }


def test_overlapped_and_unanswered_turns_are_judged_and_the_others_that_have_a_mark_are_not() -> None:
    figures = turn_figures(ALL)
    assert (figures["turns"], figures["latency_p50_ms"], figures["latency_p95_ms"]) == (6, 600, None)


def test_latencies_from_the_transcript_have_percentiles_of_their_own() -> None:
    slower = replace(TRANSCRIPT, answered_ms=1900)
    figures = turn_figures([TURN, TRANSCRIPT, slower, replace(TRANSCRIPT, continued=True, answered_ms=None)])
    assert figures["transcript_latency"] == {"turns": 2, "p50_ms": 100, "p95_ms": 900}
    assert figures["latency_p95_ms"] == 400
    unanswered = turn_figures([TRANSCRIPT, replace(TRANSCRIPT, answered_ms=None)])
    assert unanswered["transcript_latency"] == {"turns": 2, "p50_ms": 100, "p95_ms": None}
    assert unanswered["latency_p50_ms"] is None
    assert turn_figures([TURN])["transcript_latency"] is None


def test_the_longest_time_in_functions_stands_beside_and_is_not_taken_off() -> None:
    figures = turn_figures([TURN, replace(TURN, answered_ms=2000, function_ms=700), replace(TURN, function_ms=300)])
    assert (figures["function_max_ms"], figures["latency_p95_ms"]) == (700, 1000)
    assert turn_figures([TURN])["function_max_ms"] == turn_figures([])["function_max_ms"] == 0


def test_turns_that_nobody_saw_are_unknown_and_not_none() -> None:
    assert set(turn_figures(None).values()) == {None}
    assert vendor_latency(None) is None


def test_no_turn_is_no_unknown_one() -> None:
    assert turn_figures([]) == {
        "turns": 0,
        "latency_p50_ms": None,
        "latency_p95_ms": None,
        "marked_turns": {"overlapped": 0, "unpaced": 0, "transcript": 0, "continued": 0, "unanswered": 0},
        "transcript_latency": None,
        "function_max_ms": 0,
    }
    assert vendor_latency([]) == {"reports": 0, "p50_ms": None, "p95_ms": None}


def test_the_percentiles_of_reports_are_nearest_rank() -> None:
    assert vendor_latency([900, 100, 300, 200, 500]) == {"reports": 5, "p50_ms": 300, "p95_ms": 900}
