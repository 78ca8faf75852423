"""When turns are slower than ``dg_latency`` allows, or fewer than it wants, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.model import MeasuredTurn, SessionTurns
from pytest_dgbudget.rules.latency_limits import LatencyLimits, find_slowness, latency_error

MARKS = ["", "overlapped", "unpaced", "continued", "transcript"]


def turn(latency_ms: int | None, mark: str = "", function_ms: int = 0) -> MeasuredTurn:
    return MeasuredTurn(
        started_ms=1000,
        since="transcript" if mark == "transcript" else "audio",
        answered_ms=None if latency_ms is None else 1000 + latency_ms,
        overlapped=mark == "overlapped",
        unpaced=mark == "unpaced",
        continued=mark == "continued",
        function_ms=function_ms,
    )


def sessions(*turns: MeasuredTurn) -> list[SessionTurns]:
    return [SessionTurns(name="s1", turns=turns)]


def said(found: Sequence[SessionTurns], limits: LatencyLimits) -> str:
    slowness = find_slowness(found, limits)
    assert slowness is not None
    return str(latency_error(slowness, found))


TURNS = st.builds(turn, st.none() | st.integers(0, 40), st.sampled_from(MARKS))
SESSIONS = st.lists(
    st.builds(SessionTurns, name=st.sampled_from("abc"), turns=st.lists(TURNS, max_size=12).map(tuple)), max_size=3
)
LIMITS = st.builds(
    LatencyLimits,
    p50_ms=st.none() | st.integers(0, 40),
    p95_ms=st.none() | st.integers(0, 40),
    turns=st.integers(0, 12),
)


@given(SESSIONS, LIMITS)
def test_limits_are_broken_as_counting_the_turns_says(found: list[SessionTurns], limits: LatencyLimits) -> None:
    judged = [
        each.latency_ms
        for session in found
        for each in session.turns
        if not (each.unpaced or each.continued or each.since == "transcript")
    ]

    def holds(percent: int, most_ms: int | None) -> bool:
        within = sum(1 for ms in judged if most_ms is not None and ms is not None and ms <= most_ms)
        return most_ms is None or within * 100 >= percent * len(judged)

    slowness = find_slowness(found, limits)
    broken = () if slowness is None else slowness.broken
    assert [each.percent for each in broken] == [
        percent for percent, ms in ((50, limits.p50_ms), (95, limits.p95_ms)) if not holds(percent, ms)
    ]
    assert (slowness is not None and slowness.too_few) is (len(judged) < limits.turns)
    assert slowness is None or slowness.judged == len(judged)


@given(SESSIONS, LIMITS)
def test_exactly_the_judged_turns_above_the_lowest_broken_limit_are_named_the_slowest_first(
    found: list[SessionTurns], limits: LatencyLimits
) -> None:
    slowness = find_slowness(found, limits)
    if slowness is None or not slowness.broken:
        return
    allowed_ms = min(each.allowed_ms for each in slowness.broken)
    slower = [
        ms
        for session in found
        for each in session.turns
        if not (each.unpaced or each.continued or each.since == "transcript")
        and ((ms := each.latency_ms) is None or ms > allowed_ms)
    ]
    slower.sort(key=lambda ms: 10**6 if ms is None else ms, reverse=True)
    (line,) = re.findall(r"^  slower: (.*)$", str(latency_error(slowness, found)), re.MULTILINE)
    named = re.findall(r"turn \d+ of session \w \((no answer|\S+?s)[,)]", line)
    assert named == ["no answer" if ms is None else f"{ms / 1000:.3f}s" for ms in slower[:5]]
    assert line.endswith(f", and {len(slower) - 5} more") is (len(slower) > 5)


def test_a_limit_is_what_may_still_be() -> None:
    assert find_slowness(sessions(turn(1500)), LatencyLimits(p95_ms=1500)) is None
    assert find_slowness(sessions(turn(1501)), LatencyLimits(p95_ms=1500)) is not None


def test_what_is_just_above_a_limit_does_not_look_like_it() -> None:
    assert "p95 of 1 turn is 1.501s, and dg_latency allows 1.500s" in said(
        sessions(turn(1501)), LatencyLimits(p95_ms=1500)
    )


def test_turns_are_numbered_in_their_sessions_with_those_that_are_not_judged() -> None:
    found = [*sessions(turn(1, "unpaced"), turn(5)), SessionTurns(name="s2", turns=(turn(1), turn(7)))]
    assert "  slower: turn 2 of session s2 (0.007s), turn 2 of session s1 (0.005s)\n" in said(
        found, LatencyLimits(p95_ms=2)
    )


def test_of_a_slow_turn_its_functions_and_that_it_was_overlapped_are_said() -> None:
    error = said(sessions(turn(2000, "overlapped", function_ms=1200)), LatencyLimits(p95_ms=500))
    assert "turn 1 of session s1 (2.000s, 1.200s of it in client functions, overlapped)" in error


def test_who_has_a_turn_without_an_answer_is_not_told_to_raise_the_limit() -> None:
    assert said(sessions(turn(2000), turn(None)), LatencyLimits(p95_ms=500, p50_ms=500)).endswith(
        "a turn without an answer is above every limit: keep its session open until the agent has answered"
    )
    assert said(sessions(*[turn(9)] * 20, turn(None)), LatencyLimits(p95_ms=5)).endswith(
        "make the agent answer sooner, or raise the limit in the marker dg_latency"
    )


def test_why_turns_are_not_judged_is_said_once_for_each() -> None:
    marked = [turn(1, mark) for mark in ("unpaced", "unpaced", "transcript", "continued")]
    assert (
        "  not judged: 1 turn that the user went on with before an answer; "
        "2 turns whose audio came faster than real time (unpaced); "
        "1 turn whose audio can't be read, or is never loud (since: transcript)\n"
    ) in said(sessions(*marked), LatencyLimits())


def test_a_turn_that_waits_may_yet_be_the_one_that_is_wanted() -> None:
    found = [SessionTurns(name="s1", turns=(turn(5),), awaits_answer=True)]
    assert find_slowness(found, LatencyLimits(turns=2)) is None
    assert "without an answer when the test's body ended: 1 turn\n" in said(found, LatencyLimits(turns=3))


@pytest.mark.parametrize(
    ("latency_ms", "figures"), [(1501, (95, 1.501, 1.5, 1)), (None, (95, None, 1.5, 1))], ids=["slow", "unanswered"]
)
def test_the_error_has_the_figures(latency_ms: int | None, figures: tuple[object, ...]) -> None:
    slowness = find_slowness(
        sessions(turn(latency_ms)), LatencyLimits(p95_ms=1500, p50_ms=9000 if latency_ms else None)
    )
    assert slowness is not None
    error = latency_error(slowness, sessions(turn(latency_ms)))
    assert (error.percentile, error.measured_seconds, error.allowed_seconds, error.turns) == figures


def test_too_few_turns_have_no_percentile() -> None:
    slowness = find_slowness((), LatencyLimits(p95_ms=1))
    assert slowness is not None
    error = latency_error(slowness, ())
    assert (error.percentile, error.measured_seconds, error.allowed_seconds, error.turns) == (None, None, None, 0)
