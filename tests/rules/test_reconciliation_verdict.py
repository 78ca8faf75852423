"""Hours, dollars, the verdict and its reasons: from sessions and a snapshot of the statement alone."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.comparison import OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.reconciliation_verdict import judge, may_change, not_asked
from pytest_dgbudget.rules.statement import StatementSnapshot
from pytest_dgbudget.rules.totals import Total, judge_total
from pytest_dgbudget.rules.verdicts import AGREEING, NOTHING_TO_COMPARE, Tolerance, Verdict

from .reconciliation import (
    NO_TAGS,
    NOW_MS,
    OLD_MS,
    OURS,
    TERMS,
    failed,
    failed_since,
    own_sessions,
    row,
    session,
    snapshot,
    snapshots,
    was_read,
)

IDS = st.sampled_from(["a", "b", "c"])
FIGURES = st.none() | st.just(0) | st.integers(0, 1_000_000)
OWN = own_sessions(IDS, FIGURES, 4)
SNAPSHOTS = snapshots(IDS, FIGURES, 6)


def hours(sessions: list[OwnSession], read: StatementSnapshot, terms: Terms = TERMS) -> Total:
    return judge(sessions, read, OURS, terms).hours


def dollars(sessions: list[OwnSession], read: StatementSnapshot, terms: Terms = TERMS) -> Total:
    return judge(sessions, read, OURS, terms).dollars


# Properties -----------------------------------------------------------------------------------------------------------


@given(OWN, SNAPSHOTS)
def test_reconciled_is_only_what_was_read_whole_and_agrees_in_every_part(
    sessions: list[OwnSession], read: StatementSnapshot
) -> None:
    result = judge(sessions, read, OURS, TERMS)
    if result.verdict == "reconciled":
        assert read.is_listed_whole
        assert read.is_looked_up
        assert all(line.kind in AGREEING for line in result.lines)
        assert {result.hours.verdict, result.dollars.verdict} <= {"reconciled", "off"}


@given(OWN, SNAPSHOTS)
def test_what_disagrees_anywhere_is_the_verdict_of_the_run(sessions: list[OwnSession], read: StatementSnapshot) -> None:
    result = judge(sessions, read, OURS, TERMS)
    parts = [result.hours.verdict, result.dollars.verdict]
    disagrees = {"duration", "missing-at-vendor", "missing-in-ledger", "duplicate", "wrong-rate"}
    wrong = "discrepancy" in parts or any(line.kind in disagrees for line in result.lines)
    assert (result.verdict == "discrepancy") == wrong


@given(OWN, SNAPSHOTS)
def test_a_verdict_that_is_not_reconciled_is_never_without_a_reason(
    sessions: list[OwnSession], read: StatementSnapshot
) -> None:
    """A discrepancy is in a line or a total; of everything else the reasons speak."""
    result = judge(sessions, read, OURS, TERMS)
    assert result.verdict in {"reconciled", "discrepancy"} or result.reasons


@given(OWN, SNAPSHOTS, st.randoms(), st.integers(1, 4))
def test_neither_order_nor_pages_of_rows_change_anything(
    sessions: list[OwnSession], read: StatementSnapshot, random: Random, page_size: int
) -> None:
    """Each page begins with the last row of the one before."""
    rows = list(read.rows)
    random.shuffle(rows)
    pages = [rows[max(0, at - 1) : at + page_size] for at in range(0, len(rows), page_size)]
    again = replace(read, rows=[each for page in pages for each in page])
    assert judge(sessions, again, OURS, TERMS) == judge(sessions, read, OURS, TERMS)


@given(OWN, SNAPSHOTS)
def test_each_row_is_in_one_line_or_nobody_knows_it_to_be_ours(
    sessions: list[OwnSession], read: StatementSnapshot
) -> None:
    placed = [line.request_id for line in judge(sessions, read, OURS, TERMS).lines if line.request_id is not None]
    assert len(placed) == len(set(placed))
    for each in read.rows:
        assert each.request_id in placed or OURS.has(each) is not True


@given(OWN, SNAPSHOTS)
def test_only_sessions_that_nobody_saw_end_are_stated(sessions: list[OwnSession], read: StatementSnapshot) -> None:
    stated = judge(sessions, read, OURS, TERMS).stated_ms
    assert stated.keys() <= {each.id for each in sessions if each.ms is None}


# Hours ----------------------------------------------------------------------------------------------------------------


def test_hours_are_compared_with_the_rows_where_those_have_durations() -> None:
    """A vendor that adds a second and a half to each session stays within the tolerance of each."""
    own = [session(id=f"s{n}", request_id=f"r{n}", ms=3000) for n in range(20)]
    rows = [row(request_id=f"r{n}", duration_ms=4500) for n in range(20)]
    assert hours(own, snapshot(*rows)) == Total(verdict="reconciled", own=60_000, vendor=90_000)


@pytest.mark.parametrize(("vendor_ms", "verdict"), [(14_000, "reconciled"), (14_001, "discrepancy")])
def test_without_durations_hours_have_the_tolerance_of_each_session(vendor_ms: int, verdict: Verdict) -> None:
    own = [session(id=each, request_id=each, ms=5000) for each in "ab"]
    rows = [row(request_id=each, duration_ms=None) for each in "ab"]
    assert hours(own, snapshot(*rows, hours=was_read(vendor_ms))).verdict == verdict


@pytest.mark.parametrize(("vendor_ms", "verdict"), [(12_000, "reconciled"), (12_001, "discrepancy")])
def test_with_durations_hours_have_one_tolerance_for_all(vendor_ms: int, verdict: Verdict) -> None:
    own = [session(id=each, request_id=each, ms=5000) for each in "ab"]
    rows = [row(request_id=each, duration_ms=5000) for each in "ab"]
    assert hours(own, snapshot(*rows, hours=was_read(vendor_ms))).verdict == verdict


def test_two_sessions_of_one_request_count_its_row_once() -> None:
    own = [session(id="one"), session(id="two")]
    found = hours(own, snapshot(row(duration_ms=20_000)))
    assert found == Total(verdict="reconciled", own=20_000, vendor=20_000)


def test_a_session_that_carried_no_tag_is_not_in_the_hours_of_the_tag() -> None:
    own = [session(), session(id="t", request_id="q", ms=60_000, tagged=False)]
    rows = [row(), row(request_id="q", duration_ms=60_000, tags=NO_TAGS)]
    assert hours(own, snapshot(*rows)) == Total(verdict="reconciled", own=10_000, vendor=10_000)
    untagged_rows = [replace(each, tags=None) for each in rows]
    assert hours(own, snapshot(*untagged_rows, hours=was_read(10_000))).verdict == "reconciled"


def test_a_tag_that_the_statement_lost_leaves_hours_and_dollars_open() -> None:
    result = judge([session()], snapshot(row(tags=NO_TAGS), row(request_id="q")), OURS, TERMS)
    assert (result.hours.verdict, result.dollars.verdict) == ("inconclusive", "inconclusive")
    assert "the statement does not show the run's tag" in str(result.hours.reason)


@pytest.mark.parametrize(("ended_at_ms", "verdict"), [(OLD_MS + 1, "pending"), (OLD_MS, "discrepancy")])
def test_hours_that_lack_something_are_pending_until_the_grace_is_over(ended_at_ms: int, verdict: Verdict) -> None:
    read = snapshot(row(), hours=was_read(0))
    result = judge([session(ended_at_ms=ended_at_ms)], read, OURS, TERMS)
    assert (result.hours.verdict, result.verdict) == (verdict, verdict)
    assert ("the run's hours are not all in the statement yet" in result.reasons) == (verdict == "pending")


def test_hours_of_a_session_that_nobody_saw_end_are_inconclusive() -> None:
    assert hours([session(ms=None)], snapshot(row(duration_ms=None), hours=was_read(7000))).verdict == "inconclusive"


# Dollars --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor", "verdict"), [(12_500, "reconciled"), (15_000, "reconciled"), (15_001, "discrepancy")]
)
def test_dollars_have_the_tolerance_of_the_time_that_they_pay(vendor: int, verdict: Verdict) -> None:
    """2 s of 10 s is a fifth."""
    assert dollars([session()], snapshot(row(), dollars=was_read(vendor))) == Total(
        verdict=verdict, own=12_500, vendor=vendor
    )


def test_the_cost_of_a_session_without_the_tag_is_not_in_the_dollars_of_the_tag() -> None:
    own = [session(), session(id="t", request_id="q", tagged=False)]
    read = snapshot(row(), row(request_id="q", tags=NO_TAGS, micro_usd=1_000_000))
    assert dollars(own, read) == Total(verdict="reconciled", own=12_500, vendor=12_500)


def test_dollars_of_sessions_whose_time_nobody_knows_have_no_tolerance() -> None:
    read = snapshot(row(), dollars=was_read(12_502))
    assert dollars([session(ms=None)], read).verdict == "discrepancy"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (
            [row(micro_usd=None)],
            "the statement does not say what each request cost, and it may have other prices than ours",
        ),
        ([row(settled=False)], None),
        ([], None),
    ],
)
def test_without_the_dollars_of_each_request_there_is_nothing_to_compare(
    rows: list[VendorRow], reason: str | None
) -> None:
    assert dollars([session()], snapshot(*rows, dollars=was_read(9))) == Total(verdict="off", reason=reason)


def test_dollars_are_not_complete_while_a_row_has_not_settled() -> None:
    own = [session(), session(id="t", request_id="q")]
    rows = [row(), row(request_id="q", settled=False)]
    assert dollars(own, snapshot(*rows, dollars=was_read(25_000))).verdict == "inconclusive"


def test_a_row_that_has_not_settled_when_the_grace_is_over_is_the_reason_for_open_dollars() -> None:
    """Its line agrees by then, so nothing else says it."""
    own = [session(ended_at_ms=OLD_MS), session(id="t", request_id="q", ended_at_ms=OLD_MS)]
    result = judge(own, snapshot(row(), row(request_id="q", settled=False)), OURS, TERMS)
    assert [line.kind for line in result.lines] == ["matched", "matched"]
    assert result.verdict == "inconclusive"
    assert result.reasons == ("the run's dollars were not compared: some of the run's requests have not settled",)


@pytest.mark.parametrize(
    ("vendor", "all_known", "may_grow", "verdict"),
    [
        (100, True, True, "reconciled"),
        (110, True, True, "reconciled"),
        (90, True, False, "reconciled"),
        (111, True, True, "discrepancy"),
        (89, True, True, "pending"),
        (89, True, False, "discrepancy"),
        (0, False, True, "pending"),
        (80, True, False, "discrepancy"),
        (100, False, False, "inconclusive"),
        (500, False, False, "inconclusive"),
    ],
)
def test_totals(vendor: int, all_known: bool, may_grow: bool, verdict: Verdict) -> None:
    assert judge_total(100, vendor, 10, all_known=all_known, may_grow=may_grow) == verdict


def test_totals_of_nothing_are_late_only_while_they_may_grow() -> None:
    assert judge_total(900, 0, 2000, all_known=True, may_grow=True) == "pending"
    assert judge_total(900, 0, 2000, all_known=True, may_grow=False) == "reconciled"
    assert judge_total(2001, 0, 2000, all_known=True, may_grow=False) == "discrepancy"


def test_totals_may_lack_what_the_vendor_need_not_count() -> None:
    assert judge_total(100, 70, 10, all_known=True, may_grow=False, around=20) == "reconciled"
    assert judge_total(100, 69, 10, all_known=True, may_grow=False, around=20) == "discrepancy"
    assert judge_total(100, 111, 10, all_known=True, may_grow=False, around=20) == "discrepancy"


def test_hours_rounded_down_to_nothing_are_no_discrepancy() -> None:
    own = [session(ms=900, ended_at_ms=OLD_MS)]
    assert judge(own, snapshot(row(duration_ms=None), hours=was_read(0)), OURS, TERMS).verdict == "reconciled"


@pytest.mark.parametrize(
    ("total", "verdict"), [(25_000, "reconciled"), (25_001, "reconciled"), (25_002, "discrepancy")]
)
def test_totals_leave_half_a_unit_of_each_row_open(total: int, verdict: Verdict) -> None:
    """$0.0125004 twice is $0.0250008."""
    exact = replace(TERMS, tolerance=Tolerance(ms=0, share=0))
    own = [session(id=each, request_id=each, ms=12_500) for each in "ab"]
    rows = [row(request_id=each, duration_ms=12_500, micro_usd=12_500) for each in "ab"]
    result = judge(own, snapshot(*rows, hours=was_read(total), dollars=was_read(total)), OURS, exact)
    assert (result.hours.verdict, result.dollars.verdict) == (verdict, verdict)


def test_dollars_of_rows_that_all_cost_nothing_are_said_not_to_be_compared_once_the_grace_is_over() -> None:
    """An account with credits may show 0 dollars for ever."""
    free = row(micro_usd=0, settled=False)
    result = judge([session(ended_at_ms=OLD_MS)], snapshot(free), OURS, TERMS)
    assert (result.verdict, result.dollars.verdict) == ("reconciled", "off")
    assert result.reasons == (
        "the run's dollars were not compared: the statement does not say what each request cost, and it may have other "
        "prices than ours",
    )
    assert judge([session()], snapshot(free), OURS, TERMS).dollars.reason is None


@pytest.mark.parametrize(("unlogged_ms", "kind"), [(60_000, "unclear"), (None, "unclear"), (10_000, "duration")])
def test_what_nobody_opened_makes_no_unclear_line_a_duration(unlogged_ms: int | None, kind: str) -> None:
    """Its own time is in the hours, and no more than that is explained by it."""
    own = [session(id=f"s{n}", request_id=f"r{n}") for n in range(5)]
    rows = [row(request_id=f"r{n}", duration_ms=None, elapsed_ms=60_000) for n in range(5)]
    read = snapshot(*rows, row(request_id="x", duration_ms=unlogged_ms), hours=was_read(110_000))
    result = judge(own, read, OURS, TERMS)
    assert [line.kind for line in result.lines] == [kind] * 5 + ["missing-in-ledger"]
    assert result.verdict == "discrepancy"


def test_a_row_without_an_id_under_our_tag_is_counted_and_makes_the_run_inconclusive() -> None:
    nameless = row(request_id="", micro_usd=None)
    result = judge([session()], snapshot(row(), nameless, hours=was_read(10_000)), OURS, TERMS)
    assert ([line.kind for line in result.lines], result.verdict) == (["matched"], "inconclusive")
    assert "1 of the statement's rows under our tag or key have no request id" in result.reasons[-1]
    others = row(request_id="", tags=NO_TAGS)
    assert judge([session()], snapshot(row(), others), OURS, TERMS).verdict == "reconciled"


# Verdict and reasons --------------------------------------------------------------------------------------------------


def test_what_agrees_is_reconciled_and_needs_no_reason() -> None:
    result = judge([session()], snapshot(row()), OURS, TERMS)
    assert (result.verdict, result.reasons, result.project) == ("reconciled", (), "project-1")
    assert result.checked_at_ms == NOW_MS
    assert result.hours == Total(verdict="reconciled", own=10_000, vendor=10_000)
    assert result.dollars == Total(verdict="reconciled", own=12_500, vendor=12_500)


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"listing": failed("no list")}, ["the project's requests were not all read: no list"]),
        ({"listing": failed_since(True)}, ["the project's requests were not all read: no more"]),
        ({"lookups": failed_since(None)}, ["sessions were not all compared: no more"]),
        ({"listing": was_read(False)}, ["the project has too many requests to read them all"]),
        ({"lookups": failed("no rows")}, ["sessions were not all compared: no rows"]),
        ({"hours": failed("no hours")}, ["the run's hours were not compared: no hours"]),
        ({"dollars": failed("no bill")}, ["the run's dollars were not compared: no bill"]),
    ],
    ids=["list", "list again", "lookups again", "long list", "lookups", "hours", "dollars"],
)
def test_what_could_not_be_read_is_inconclusive_and_says_so(fields: dict[str, Any], reasons: list[str]) -> None:
    result = judge([session()], snapshot(row(), **fields), OURS, TERMS)
    assert result.verdict == "inconclusive"
    assert len(result.reasons) == len(reasons)
    assert all(said.startswith(reason) for said, reason in zip(result.reasons, reasons, strict=True))


def test_without_a_project_the_totals_add_no_reasons_of_their_own() -> None:
    read = StatementSnapshot(taken_at_ms=NOW_MS, listing=failed("the key sees 2 projects"))
    result = judge([session(ended_at_ms=OLD_MS)], read, OURS, TERMS)
    assert ([line.kind for line in result.lines], result.verdict) == (["pending"], "inconclusive")
    assert result.reasons == ("the project's requests were not all read: the key sees 2 projects",)


@pytest.mark.parametrize(
    ("hours_ms", "kind", "verdict"),
    [(10_000, "unclear", "inconclusive"), (12_000, "unclear", "inconclusive"), (12_001, "duration", "discrepancy")],
)
def test_an_unclear_line_is_a_duration_only_if_the_hours_disagree_too(
    hours_ms: int, kind: str, verdict: Verdict
) -> None:
    read = snapshot(row(duration_ms=None, elapsed_ms=90_000), hours=was_read(hours_ms))
    result = judge([session(ended_at_ms=OLD_MS)], read, OURS, TERMS)
    assert ([line.kind for line in result.lines], result.verdict) == ([kind], verdict)
    said = "1 of 1 sessions have no duration in the statement, and the time from their creation to their completion"
    assert any(reason.startswith(said) for reason in result.reasons) == (kind == "unclear")


def test_unclear_lines_are_durations_if_the_hours_drift() -> None:
    own = [session(id=f"s{n}", request_id=f"r{n}", ended_at_ms=OLD_MS) for n in range(20)]
    rows = [row(request_id=each.request_id, duration_ms=None, elapsed_ms=90_000) for each in own]
    for each_ms, kind, verdict in ((10_500, "unclear", "inconclusive"), (11_900, "duration", "discrepancy")):
        result = judge(own, snapshot(*rows, hours=was_read(20 * each_ms + 500)), OURS, TERMS)
        assert result.hours.verdict == "reconciled"
        assert ({line.kind for line in result.lines}, result.verdict) == ({kind}, verdict)


def test_a_drift_of_rows_says_nothing_of_a_row_without_a_duration() -> None:
    own = [session(id=f"s{n}", request_id=f"r{n}", ended_at_ms=OLD_MS) for n in range(21)]
    rows = [row(request_id=each.request_id, duration_ms=11_901) for each in own[1:]]
    read = snapshot(row(request_id="r0", duration_ms=None, elapsed_ms=90_000), *rows, hours=failed())
    result = judge(own, read, OURS, TERMS)
    assert (result.verdict, result.lines[0].kind) == ("discrepancy", "unclear")


def test_a_discrepancy_is_one_whatever_else_could_not_be_read() -> None:
    read = snapshot(row(duration_ms=60_000), listing=failed(), hours=failed(), dollars=failed())
    assert judge([session()], read, OURS, TERMS).verdict == "discrepancy"


def test_what_could_not_be_looked_up_is_not_missing() -> None:
    result = judge([session(ended_at_ms=OLD_MS)], snapshot(lookups=failed()), OURS, TERMS)
    assert [line.kind for line in result.lines] == ["pending"]


def test_of_what_is_unconfirmed_each_cause_is_said_by_itself() -> None:
    own = [session(ms=None, ended_at_ms=None), session(id="t", request_id="q")]
    rows = (row(duration_ms=7000), row(request_id="q", duration_ms=None, unreadable_duration="'x'"))
    (reason,) = (each for each in judge(own, snapshot(*rows), OURS, TERMS).reasons if "can't be compared" in each)
    assert reason == (
        "2 of 2 sessions can't be compared: 1 whose duration in the statement can't be read, "
        "1 whose end nobody here saw (the statement has it)"
    )


def test_sessions_that_are_pending_or_unconfirmed_are_counted() -> None:
    own = [session(), session(id="t", request_id="q"), session(id="u", request_id=None, tagged=False)]
    result = judge(own, snapshot(row()), OURS, TERMS)
    assert result.reasons[:2] == (
        "1 of 3 sessions are not in the statement yet, or not settled",
        "1 of 3 sessions can't be compared: 1 without a request id",
    )


def test_the_times_of_a_row_check_a_session_that_has_no_duration_and_not_the_tag() -> None:
    its_row = row(duration_ms=None, elapsed_ms=10_000, tags=NO_TAGS, micro_usd=None)
    result = judge([session(ms=10_000, tagged=False)], snapshot(its_row), OURS, TERMS)
    assert ([line.kind for line in result.lines], result.verdict) == (["matched"], "reconciled")


def test_a_session_without_a_duration_and_without_the_tag_is_inconclusive() -> None:
    result = judge([session(tagged=False)], snapshot(row(duration_ms=None, tags=NO_TAGS, micro_usd=None)), OURS, TERMS)
    assert ([line.kind for line in result.lines], result.verdict) == (["matched"], "inconclusive")
    assert "1 of 1 sessions have neither a duration nor the run's tag in the statement" in result.reasons


@pytest.mark.parametrize(
    ("rows", "stated"),
    [
        ([row(duration_ms=7000)], {"s": 7000}),
        ([row(duration_ms=7000, settled=False)], {}),
        ([row(duration_ms=7000), row(duration_ms=8000)], {}),
        ([row(duration_ms=None)], {}),
        ([], {}),
    ],
    ids=["settled", "not settled", "two rows", "no duration", "no row"],
)
def test_a_session_that_nobody_saw_end_is_stated_by_its_one_settled_row(
    rows: list[VendorRow], stated: dict[str, int]
) -> None:
    assert judge([session(ms=None)], snapshot(*rows), OURS, TERMS).stated_ms == stated


def test_a_vendor_that_was_not_asked_leaves_every_session_pending_and_says_why() -> None:
    result = not_asked([session(ended_at_ms=OLD_MS), session(id="t", ms=None)], TERMS.tolerance, "pending", "why")
    assert {line.kind for line in result.lines} <= {"pending", "unconfirmed"}
    assert (result.verdict, result.reasons, result.checked_at_ms) == ("pending", ("why",), None)
    assert not_asked((), TERMS.tolerance, "reconciled", NOTHING_TO_COMPARE).lines == ()


# Whether to read again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "fields", "again"),
    [
        ([row()], {}, False),
        ([row(duration_ms=60_000)], {}, False),
        ([], {}, True),
        ([row(settled=False)], {}, True),
        ([row()], {"hours": was_read(0)}, True),
        ([row()], {"hours": failed()}, False),
        *(([row()], {part: failed(temporary=True)}, True) for part in ("listing", "lookups", "hours", "dollars")),
        ([], {"lookups": failed(), "hours": was_read(10_000)}, False),
    ],
)
def test_only_what_may_still_change_is_read_again(rows: list[VendorRow], fields: dict[str, Any], again: bool) -> None:
    own, read = [session()], snapshot(*rows, **fields)
    assert may_change(own, read, judge(own, read, OURS, TERMS)) == again
