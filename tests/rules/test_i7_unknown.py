"""I7: unknown is never zero, where usage records and the statement are held against one another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.comparison import OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.reconciliation import judge_lines, match
from pytest_dgbudget.rules.totals import judge_total
from pytest_dgbudget.rules.verdicts import AGREEING, Tolerance
from pytest_dgbudget.units import known_sum

from .reconciliation import NOW_MS, OURS, own_sessions, rows

IDS = st.sampled_from(["a", "b", "c"])
# A zero that was measured is a figure like any other.
FIGURES = st.none() | st.just(0) | st.integers(0, 100_000)
AMOUNTS = st.integers(0, 10**9)
ROWS = rows(IDS, FIGURES, 6)
TERMS = st.builds(
    Terms,
    tolerance=st.builds(Tolerance, ms=st.integers(0, 200_000), share=st.floats(0, 2)),
    grace_ms=st.none() | st.integers(0, 1_000_000),
    now_ms=st.just(NOW_MS),
)


OWN = own_sessions(IDS, FIGURES, 5)


@given(OWN, ROWS, TERMS)
def test_i7_unknown_is_never_zero_in_a_line(sessions: list[OwnSession], rows: list[VendorRow], terms: Terms) -> None:
    for line in match(sessions, rows, OURS, terms):
        own = [session.ms for session in sessions if session.id in line.sessions]
        theirs = {row for row in rows if row.request_id == line.request_id and line.request_id is not None}
        assert (line.own_ms is None) == (not own or None in own)
        assert line.vendor_ms is not None or not theirs or None in {row.duration_ms for row in theirs}
        assert line.vendor_ms is None or theirs
        assert line.micro_usd is None or theirs
        assert (line.delta_ms is None) == (None in (line.own_ms, line.vendor_ms))


@given(OWN, ROWS, TERMS)
def test_i7_what_nobody_saw_end_or_has_no_id_agrees_with_nothing(
    sessions: list[OwnSession], rows: list[VendorRow], terms: Terms
) -> None:
    lines = match(sessions, rows, OURS, terms)
    unknown = {session.id for session in sessions if None in (session.ms, session.request_id)}
    for line in lines:
        assert line.kind not in AGREEING or not unknown & set(line.sessions)
    assert not unknown or judge_lines(lines) != "reconciled"


@given(AMOUNTS, AMOUNTS, AMOUNTS, st.booleans())
def test_i7_a_total_of_which_a_part_is_unknown_is_never_reconciled(
    own: int, vendor: int, allowed: int, may_grow: bool
) -> None:
    assert judge_total(own, vendor, allowed, all_known=False, may_grow=may_grow) != "reconciled"


@given(st.lists(FIGURES))
def test_i7_a_sum_of_which_a_part_is_unknown_is_unknown(figures: list[int | None]) -> None:
    known = [figure for figure in figures if figure is not None]
    assert known_sum(figures) == (sum(known) if len(known) == len(figures) else None)
