"""Every local and every vendor row lands in exactly one line, whatever their order and however they came in pages."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.comparison import Line, OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.reconciliation import judge_lines, match, rows_by_request
from pytest_dgbudget.rules.verdicts import Tolerance, Verdict, gravest

from .reconciliation import NO_TAGS, NOW_MS, OLD_MS, OURS, TAGS, TERMS, own_sessions, row, rows, session

IDS = st.sampled_from([f"r{number}" for number in range(8)])
FIGURES = st.none() | st.integers(0, 10_000_000)
ROWS = rows(IDS, FIGURES, 12)


OWN = own_sessions(IDS, FIGURES, 8)


TERMS_GIVEN = st.builds(
    Terms,
    tolerance=st.builds(Tolerance, ms=st.integers(0, 10_000), share=st.floats(0, 1)),
    grace_ms=st.integers(0, 1_500_000),
    now_ms=st.just(NOW_MS),
)


def kinds(lines: tuple[Line, ...]) -> list[str]:
    return [line.kind for line in lines]


def in_order(line: Line) -> Line:
    return replace(line, own=tuple(sorted(line.own, key=lambda session: session.id)))


# Properties -----------------------------------------------------------------------------------------------------------


@given(OWN, ROWS, TERMS_GIVEN)
def test_every_session_is_in_exactly_one_line(own: list[OwnSession], rows: list[VendorRow], terms: Terms) -> None:
    placed = [session_id for line in match(own, rows, OURS, terms) for session_id in line.sessions]
    assert sorted(placed) == sorted(each.id for each in own)


@given(OWN, ROWS, TERMS_GIVEN)
def test_every_row_that_is_ours_or_under_our_tag_is_in_exactly_one_line_and_no_other_is(
    own: list[OwnSession], rows: list[VendorRow], terms: Terms
) -> None:
    lines = match(own, rows, OURS, terms)
    with_an_id = [line.request_id for line in lines if line.request_id is not None]
    ours = {each.request_id for each in own} - {None}
    assert len(with_an_id) == len(set(with_an_id))
    assert set(with_an_id) == ours | {each.request_id for each in rows if OURS.has(each)}


@given(OWN, ROWS, TERMS_GIVEN)
def test_amounts_add_up(own: list[OwnSession], rows: list[VendorRow], terms: Terms) -> None:
    """Each settled row is in one line, once: no second and no dollar is lost, or counted twice."""
    rows = [each for group in rows_by_request(rows).values() for each in group]
    lines = match(own, rows, OURS, terms)
    assert sum(each.ms or 0 for line in lines for each in line.own) == sum(each.ms or 0 for each in own)
    placed = {line.request_id for line in lines}
    settled = {each for each in rows if each.settled and each.request_id in placed}
    in_lines = [each for line in lines for each in line.rows if each.settled]
    assert len(in_lines) == len(settled)
    assert set(in_lines) == settled


@given(OWN, ROWS, TERMS_GIVEN, st.randoms())
def test_order_does_not_matter(own: list[OwnSession], rows: list[VendorRow], terms: Terms, random: Random) -> None:
    lines = match(own, rows, OURS, terms)
    other_own, other_rows = own[:], rows[:]
    random.shuffle(other_own)
    random.shuffle(other_rows)
    shuffled = match(other_own, other_rows, OURS, terms)
    assert set(map(in_order, lines)) == set(map(in_order, shuffled))


@given(OWN, ROWS, TERMS_GIVEN, st.integers(1, 5), st.integers(0, 3))
def test_neither_do_pages_that_overlap(
    own: list[OwnSession], rows: list[VendorRow], terms: Terms, page_size: int, overlap: int
) -> None:
    """Between two calls new requests came, newest first: each page begins with the end of the one before."""
    pages = [rows[max(0, at - overlap) : at + page_size] for at in range(0, len(rows), page_size)]
    assert match(own, [each for page in pages for each in page], OURS, terms) == match(own, rows, OURS, terms)


@given(OWN, ROWS, TERMS_GIVEN)
def test_unknown_is_never_zero(own: list[OwnSession], rows: list[VendorRow], terms: Terms) -> None:
    by_id = {each.id: each for each in own}
    for line in match(own, rows, OURS, terms):
        of_line = [by_id[session_id].ms for session_id in line.sessions]
        assert (line.own_ms is None) == (not of_line or None in of_line)
        if not any(each.request_id == line.request_id for each in rows):
            assert line.vendor_ms is None
            assert line.micro_usd is None


@given(OWN, ROWS, TERMS_GIVEN)
def test_only_what_agrees_is_reconciled(own: list[OwnSession], rows: list[VendorRow], terms: Terms) -> None:
    lines = match(own, rows, OURS, terms)
    verdict = judge_lines(lines)
    assert (verdict == "reconciled") == all(line.kind in {"matched", "within-tolerance"} for line in lines)
    for line in lines:
        shown_ms = line.vendor_ms if line.vendor_ms is not None else line.elapsed_ms
        if line.kind in {"matched", "within-tolerance"} and shown_ms is not None:
            assert line.own_ms is not None
            allowed_ms = terms.tolerance.allowed_ms(line.own_ms)
            least_ms = line.own_ms - (line.around_ms or 0) - allowed_ms
            assert least_ms <= shown_ms <= line.own_ms + allowed_ms


@given(OWN, ROWS, TERMS_GIVEN)
def test_where_nobody_could_ask_nothing_is_missing(own: list[OwnSession], rows: list[VendorRow], terms: Terms) -> None:
    assert "missing-at-vendor" not in kinds(match(own, rows, OURS, terms.unasked()))


# Classes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor_ms", "kind"),
    [
        (10_000, "matched"),
        (10_100, "matched"),
        (9_900, "matched"),
        (10_101, "within-tolerance"),
        (12_000, "within-tolerance"),
        (7_900, "within-tolerance"),
        (12_001, "duration"),
        (7_899, "duration"),
        (None, "matched"),
    ],
)
def test_a_settled_row_is_judged_by_its_duration(vendor_ms: int | None, kind: str) -> None:
    assert kinds(match([session()], [row(duration_ms=vendor_ms)], OURS, TERMS)) == [kind]


@pytest.mark.parametrize(
    ("elapsed_ms", "kind"),
    [
        (None, "matched"),
        (10_000, "matched"),
        (12_000, "matched"),
        (8_000, "matched"),
        (12_001, "unclear"),
        (0, "unclear"),
    ],
)
def test_a_row_without_a_duration_is_unclear_where_its_times_differ_beyond_the_tolerance(
    elapsed_ms: int | None, kind: str
) -> None:
    (line,) = match([session()], [row(duration_ms=None, elapsed_ms=elapsed_ms)], OURS, TERMS)
    assert (line.kind, line.vendor_ms, line.elapsed_ms, line.delta_ms) == (kind, None, elapsed_ms, None)


def test_a_row_that_has_a_duration_is_not_judged_by_its_times() -> None:
    assert kinds(match([session()], [row(elapsed_ms=90_000)], OURS, TERMS)) == ["matched"]
    unreadable = row(duration_ms=None, unreadable_duration="-5", elapsed_ms=10_000)
    assert kinds(match([session()], [unreadable], OURS, TERMS)) == ["unconfirmed"]


@pytest.mark.parametrize(
    ("vendor_ms", "kind"),
    [(8000, "within-tolerance"), (7999, "duration"), (17_000, "within-tolerance"), (17_001, "duration")],
)
def test_the_vendor_need_not_count_handshake_and_close(vendor_ms: int, kind: str) -> None:
    own = session(ms=15_000, handshake_ms=4600, closing_ms=400)
    assert kinds(match([own], [row(duration_ms=vendor_ms)], OURS, TERMS)) == [kind]
    unclear = "matched" if kind == "within-tolerance" else "unclear"
    assert kinds(match([own], [row(duration_ms=None, elapsed_ms=vendor_ms)], OURS, TERMS)) == [unclear]


def test_the_tolerance_is_the_larger_of_the_two() -> None:
    assert kinds(match([session(ms=100_000)], [row(duration_ms=105_000)], OURS, TERMS)) == ["within-tolerance"]
    assert kinds(match([session(ms=100_000)], [row(duration_ms=105_001)], OURS, TERMS)) == ["duration"]


def test_without_a_tolerance_only_the_same_matches() -> None:
    exact = replace(TERMS, tolerance=Tolerance(ms=0, share=0))
    assert kinds(match([session()], [row()], OURS, exact)) == ["matched"]
    assert kinds(match([session()], [row(duration_ms=10_001)], OURS, exact)) == ["duration"]


@pytest.mark.parametrize("rows", [[], [row(settled=False, duration_ms=None)]])
def test_what_is_not_there_is_pending_until_the_grace_is_over_and_missing_then(rows: list[VendorRow]) -> None:
    assert kinds(match([session(ended_at_ms=NOW_MS - 599_999)], rows, OURS, TERMS)) == ["pending"]
    assert kinds(match([session(ended_at_ms=NOW_MS - 600_000)], rows, OURS, TERMS)) == ["missing-at-vendor"]


def test_a_row_that_never_settles_is_compared_when_the_grace_is_over() -> None:
    old = session(ended_at_ms=NOW_MS - 600_000)
    assert kinds(match([old], [row(settled=False)], OURS, TERMS)) == ["matched"]
    assert kinds(match([old], [row(settled=False, duration_ms=20_000)], OURS, TERMS)) == ["duration"]


def test_a_row_that_was_seen_before_it_settled_is_no_second_one() -> None:
    (line,) = match([session()], [row(settled=False, duration_ms=None, micro_usd=0), row()], OURS, TERMS)
    assert (line.kind, line.vendor_ms, line.micro_usd) == ("matched", 10_000, 12_500)


def test_two_settled_rows_that_differ_are_a_duplicate_and_count_both() -> None:
    (line,) = match([session()], [row(), row(duration_ms=10_001)], OURS, TERMS)
    assert (line.kind, line.vendor_ms, line.micro_usd) == ("duplicate", 20_001, 25_000)


@pytest.mark.parametrize("settled", [True, False])
def test_rows_of_one_request_make_one_line_in_whatever_order_they_came(settled: bool) -> None:
    others: list[dict[str, Any]] = [
        {},
        {"duration_ms": 10_001},
        {"created": "later"},
        {"tags": NO_TAGS},
        {"key_id": "k"},
    ]
    rows = [row(settled=settled, **fields) for fields in others]
    lines = {match([session()], order, OURS, TERMS) for order in permutations([*rows, rows[0]])}
    assert len(lines) == 1


STEPS = [
    row(created="2026-11-30T10:00:00Z", created_ms=OLD_MS, duration_ms=None, micro_usd=None),
    row(created="2026-11-30T10:00:00+00:00", created_ms=OLD_MS, duration_ms=None),
    row(created="2026-11-30T10:00:00Z", created_ms=OLD_MS, elapsed_ms=10_000),
]


@pytest.mark.parametrize("met", [*permutations(STEPS)])
def test_a_row_that_is_met_while_it_is_filled_in_is_one_row(met: tuple[VendorRow, ...]) -> None:
    (line,) = match([session()], met, OURS, TERMS)
    assert (line.kind, line.rows) == ("matched", (STEPS[-1],))


@pytest.mark.parametrize(
    "other", [{"duration_ms": 11_000}, {"created_ms": OLD_MS + 1}, {"micro_usd": 1, "duration_ms": None}], ids=str
)
def test_rows_of_which_a_known_field_differs_are_two(other: dict[str, Any]) -> None:
    both = [row(created_ms=OLD_MS), row(**{"created_ms": OLD_MS, **other})]
    assert kinds(match([session()], both, OURS, TERMS)) == ["duplicate"]


def test_thousands_of_differing_rows_of_one_request_take_no_long() -> None:
    many = [row(created_ms=number, duration_ms=None if number % 3 else 10_000) for number in range(8000)]
    begun = time.process_time()
    assert kinds(match([session()], many, OURS, TERMS)) == ["duplicate"]
    assert time.process_time() - begun < 4


def test_what_is_under_our_tag_and_not_ours_is_missing_in_the_ledger() -> None:
    unknown, foreign, untagged = (
        row(request_id=name, tags=tags) for name, tags in zip("abc", (TAGS, NO_TAGS, None), strict=True)
    )
    lines = match([session()], [row(), unknown, foreign, untagged], OURS, TERMS)
    assert [(line.kind, line.request_id) for line in lines] == [("matched", "r"), ("missing-in-ledger", "a")]


@pytest.mark.parametrize("own", [session(ms=None), session(request_id=None)])
def test_a_session_whose_end_or_id_nobody_knows_is_unconfirmed(own: OwnSession) -> None:
    assert kinds(match([own], [row(tags=None)], OURS, TERMS)) == ["unconfirmed"]


# Verdicts -------------------------------------------------------------------------------------------------------------


def test_the_gravest_verdict_is_that_of_the_whole() -> None:
    order: list[Verdict] = ["discrepancy", "pending", "inconclusive", "reconciled", "off"]
    for at, verdict in enumerate(order[:4]):
        assert gravest(order[at:]) == verdict
    assert gravest(["off"]) == gravest([]) == "reconciled"
