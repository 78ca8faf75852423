"""Drift: what a sum of many sessions differs by, beyond what honest causes explain."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.comparison import Line, OwnSession, VendorRow
from pytest_dgbudget.rules.drift import FEWEST_LINES, TOO_FEW, Drift, by_key, drift_of, drift_remarks
from pytest_dgbudget.rules.reconciliation import match
from pytest_dgbudget.rules.reconciliation_verdict import judge
from pytest_dgbudget.rules.totals import NO_TOTAL, Total, counted
from pytest_dgbudget.rules.verdicts import LineClass

from .reconciliation import NOW_MS, OLD_MS, OURS, TERMS, row, session, snapshot, was_read

HANDSHAKE_MS, CLOSING_MS = 300, 100
OWN_MS = 10_001  # no whole second, so that rows are none either unless they are made to be


def pairs(
    extra_ms: list[int], *, own_ms: int = OWN_MS, ended_at_ms: int = OLD_MS, **fields: object
) -> tuple[list[OwnSession], list[VendorRow]]:
    """Sessions, and rows that have so much more; ``fields`` are those of the rows."""
    sessions = [
        session(
            id=f"s{n}",
            request_id=f"r{n}",
            ms=own_ms,
            handshake_ms=HANDSHAKE_MS,
            closing_ms=CLOSING_MS,
            ended_at_ms=ended_at_ms,
        )
        for n in range(len(extra_ms))
    ]
    return sessions, [
        row(**{"request_id": f"r{n}", "duration_ms": own_ms + extra, **fields}) for n, extra in enumerate(extra_ms)
    ]


def lines_of(extra_ms: list[int], **fields: int) -> tuple[Line, ...]:
    return match(*pairs(extra_ms, **fields), OURS, TERMS)


def drift(lines: tuple[Line, ...], *, share: float = 0, hours: Total = NO_TOTAL) -> Drift:
    return drift_of(lines, share, counted(lines, OURS, TERMS), hours)


def hours(vendor_ms: int) -> Total:
    return Total(verdict="reconciled", vendor=vendor_ms)


# What is explained ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("each_ms", "ms", "direction"),
    [
        (500, None, None),
        (501, 20, "more"),
        (-900, None, None),
        (-901, 20, "less"),
    ],
)
def test_half_a_second_of_each_is_explained_and_handshake_and_close_where_the_vendor_has_less(
    each_ms: int, ms: int | None, direction: str | None
) -> None:
    found = drift(lines_of([each_ms] * 20))
    assert (found.ms, found.direction, found.n) == (ms, direction, 20)
    assert found.verdict == ("reconciled" if ms is None else "discrepancy")


@pytest.mark.parametrize(("each_ms", "ms"), [(1500, None), (1501, 20), (-1900, None), (-1901, 20)])
def test_a_second_more_of_each_is_explained_if_every_row_is_in_whole_seconds(each_ms: int, ms: int | None) -> None:
    own_ms = 20_000 - each_ms
    assert drift(lines_of([each_ms] * 20, own_ms=own_ms)).ms == ms
    one_is_not = lines_of([*[each_ms] * 20, each_ms + 1], own_ms=own_ms)
    assert drift(one_is_not).ms is not None


@pytest.mark.parametrize(("share", "ms"), [(0.005, None), (0.0049, 20), (0, 1000)])
def test_a_share_of_our_sum_is_explained(share: float, ms: int | None) -> None:
    """Of 20 sessions of 10 s each, half a per cent is a second."""
    assert drift(lines_of([550] * 20, own_ms=10_000), share=share).ms == ms


def test_the_sum_is_clipped_and_never_the_lines() -> None:
    """What one session has too much, others may have too little."""
    assert drift(lines_of([1900] * 10 + [-900] * 10)).ms is None
    assert drift(lines_of([1900] * 10 + [-899] * 10)).ms == 10 * 1900 - 10 * 899 - 20 * 500


@given(st.lists(st.integers(-900, 500), min_size=20, max_size=60))
def test_what_honest_causes_explain_of_each_they_explain_of_all(extra_ms: list[int]) -> None:
    assert drift(lines_of(extra_ms)).verdict == "reconciled"


@given(st.lists(st.integers(501, 2000), min_size=20, max_size=60), st.randoms())
def test_what_each_has_too_much_is_found_in_any_order(extra_ms: list[int], random: Random) -> None:
    found = drift(lines_of(extra_ms))
    random.shuffle(extra_ms)
    assert found == drift(lines_of(extra_ms))
    in_whole_seconds = all((OWN_MS + extra) % 1000 == 0 for extra in extra_ms)
    left = sum(extra_ms) - len(extra_ms) * (1500 if in_whole_seconds else 500)
    assert found.ms == (left if left > 0 else None)


# Over what ------------------------------------------------------------------------------------------------------------


def test_too_few_sessions_have_no_verdict() -> None:
    assert drift(lines_of([1900] * 19)) == Drift(n=19, verdict=None, reason=TOO_FEW)
    assert drift(lines_of([1900] * FEWEST_LINES)).verdict == "discrepancy"
    assert drift(()) == Drift(n=0, verdict=None, reason="too-few-sessions")


def test_only_lines_that_agree_count() -> None:
    assert drift(lines_of([0] * 20 + [60_000] * 20)) == drift(lines_of([0] * 20))


def test_the_mean_and_its_interval_are_evidence() -> None:
    found = drift(lines_of([1000, 1200] * 50))
    assert found.mean_ms == 1100
    assert found.interval_ms is not None
    low_ms, high_ms = found.interval_ms
    # The standard deviation of these is 100.5, and 2.5758 of its tenth is 25.9.
    assert (round(low_ms, 1), round(high_ms, 1)) == (1074.1, 1125.9)


def test_keys_are_judged_each_by_itself() -> None:
    own, rows = pairs([1900] * 40)
    lines = match(
        own, [*rows[:20], *(row(request_id=each.request_id, key_id="mine") for each in own[20:])], OURS, TERMS
    )
    lines = (*lines, *match([], [row(request_id="other", key_id="another")], OURS, TERMS))
    groups = by_key(lines, {"mine"})
    assert {key: len(group) for key, group in groups.items()} == {"mine": 20}
    assert drift(tuple(groups["mine"])).verdict == "reconciled"
    assert drift(lines).verdict == "discrepancy"


# Rows without a duration ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("each_ms", "ms"), [(500, None), (520, 400), (-900, None), (-920, 400)])
def test_hours_stand_for_rows_without_a_duration(each_ms: int, ms: int | None) -> None:
    lines = lines_of([0] * 20, duration_ms=None)  # type: ignore[arg-type]
    found = drift(lines, hours=hours(20 * (OWN_MS + each_ms)))
    assert (found.n, found.ms, found.of_hours, found.interval_ms) == (20, ms, True, None)


def test_hours_in_whole_seconds_may_be_of_sessions_in_whole_seconds() -> None:
    lines = lines_of([0] * 20, own_ms=10_500, duration_ms=None)  # type: ignore[arg-type]
    assert drift(lines, hours=hours(20 * 12_000)).ms is None
    assert drift(lines, hours=hours(20 * 12_000 - 1)).ms is None  # of a fraction of an hour
    assert drift(lines, hours=hours(20 * 12_000 - 100)).ms == 20 * 1500 - 100 - 20 * 500


def test_hours_stand_for_those_rows_alone_that_have_none() -> None:
    own, rows = pairs([0] * 30)
    mixed = [*rows[:10], *(row(request_id=each.request_id, duration_ms=None) for each in own[10:])]
    lines = match(own, mixed, OURS, TERMS)
    found = drift(lines, hours=hours(30 * OWN_MS + 20 * 1000))
    assert (found.n, found.ms) == (30, 20 * 1000 - 30 * 500)


def test_hours_in_whole_seconds_say_nothing_of_rows_that_are_not() -> None:
    own, rows = pairs([1400] * 20)
    mixed = [*rows[:10], *(row(request_id=each.request_id, duration_ms=None) for each in own[10:])]
    rest_ms = 10 * (OWN_MS + 1400) // 1000 * 1000
    found = drift(match(own, mixed, OURS, TERMS), hours=hours(10 * (OWN_MS + 1400) + rest_ms))
    assert found.direction == "more"


@pytest.mark.parametrize("total", [NO_TOTAL, Total(verdict="inconclusive", vendor=10**9), Total(verdict="pending")])
def test_hours_that_do_not_agree_stand_for_nothing(total: Total) -> None:
    lines = lines_of([0] * 20, duration_ms=None)  # type: ignore[arg-type]
    assert drift(lines, hours=total) == Drift(n=0, verdict=None, reason=TOO_FEW)


@pytest.mark.parametrize("kind", ["pending", "unconfirmed", "missing-at-vendor"])
def test_where_hours_may_have_what_no_line_has_they_stand_for_nothing(kind: LineClass) -> None:
    lines = lines_of([0] * 20, duration_ms=None)  # type: ignore[arg-type]
    other = Line(kind=kind, request_id="other", own=(session(ms=None if kind == "unconfirmed" else 5000),))
    assert drift((*lines, other), hours=hours(20 * 11_000)).verdict is None


def test_hours_that_lack_something_may_be_late() -> None:
    for ended_at_ms, verdict in ((NOW_MS, None), (OLD_MS, "discrepancy")):
        lines = lines_of([0] * 20, ended_at_ms=ended_at_ms, duration_ms=None)  # type: ignore[arg-type]
        assert drift(lines, hours=hours(20 * (OWN_MS - 1000))).verdict == verdict
        assert drift(lines, hours=hours(20 * (OWN_MS + 1000))).verdict == "discrepancy"


# The run --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shows_durations", [True, False])
def test_two_hundred_sessions_that_are_each_billed_1_9_s_more_agree_and_are_six_minutes(shows_durations: bool) -> None:
    own, stated = pairs([1900] * 200)
    rows = stated if shows_durations else [row(request_id=each.request_id, duration_ms=None) for each in stated]
    result = judge(own, snapshot(*rows, hours=was_read(200 * (OWN_MS + 1900))), OURS, TERMS)
    assert {line.kind for line in result.lines} == {"within-tolerance" if shows_durations else "matched"}
    assert (result.hours.verdict, result.verdict) == ("reconciled", "discrepancy")
    assert result.drift is not None
    explained_ms = 200 * 500 + round(200 * OWN_MS * TERMS.drift)
    assert (result.drift.ms, result.drift.direction) == (200 * 1900 - explained_ms, "more")
    assert result.drift.mean_ms == 1900


# Ledgers that lack handshakes or closes -------------------------------------------------------------------------------


def without_closing(extra_ms: int, lacking: int, n: int = 100) -> Drift:
    """``n`` sessions of which some have no known close, as those of an older ledger; each row has so much more."""
    sessions, rows = pairs([extra_ms] * n)
    sessions = [replace(each, closing_ms=None) if at < lacking else each for at, each in enumerate(sessions)]
    return drift(match(sessions, rows, OURS, TERMS))


def test_more_is_found_in_sessions_whose_handshake_or_close_is_not_known() -> None:
    for lacking in (1, 100):
        found = without_closing(1900, lacking)
        assert (found.n, found.verdict, found.direction, found.ms) == (100, "discrepancy", "more", 140_000)


def test_less_is_judged_of_those_alone_whose_handshake_and_close_are_known() -> None:
    assert (without_closing(-1900, 50).direction, without_closing(-1900, 50).ms) == ("less", 50_000)
    assert without_closing(-1900, 81).direction is None


def test_sessions_that_are_left_out_for_less_are_counted() -> None:
    found = without_closing(0, 30)
    assert (found.verdict, found.without_around) == ("reconciled", 30)
    assert found.reason == (
        "30 sessions have no known handshake or close: they are judged for more, and left out for less"
    )
    assert [*drift_remarks(found)] == [f"drift: {found.reason}"]
    assert without_closing(0, 0).reason is None
    assert [*drift_remarks(without_closing(0, 1, n=5))] == []


def test_more_in_hours_is_found_where_handshakes_are_not_known() -> None:
    sessions, rows = pairs([0] * 100, duration_ms=None)
    lines = match([replace(each, closing_ms=None) for each in sessions], rows, OURS, TERMS)
    assert drift(lines, hours=hours(100 * (OWN_MS + 1900))).direction == "more"
    assert drift(lines, hours=hours(100 * (OWN_MS - 1900))).direction is None
