"""Whose rows they are, and what is said of other people's."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.rules.comparison import Ours, VendorRow
from pytest_dgbudget.rules.reconciliation_verdict import judge

from .reconciliation import NO_TAGS, NOW_MS, OURS, TAGS, TERMS, row, session, snapshot

STARTED_MS = NOW_MS - 10_000
KEY = Ours(tags=TAGS, keys=frozenset(["mine"]))


def other(name: str = "x", **fields: Any) -> VendorRow:
    """A colleague's session of 5 s in the middle of ours."""
    return row(**{"request_id": name, "tags": NO_TAGS, "created_ms": NOW_MS - 5000, "duration_ms": 5000, **fields})


def remarks(*others: VendorRow, ours: Ours = OURS) -> tuple[str, ...]:
    return judge([session()], snapshot(row(), *others), ours, TERMS).remarks


@pytest.mark.parametrize(
    ("tags", "key_id", "ours", "has"),
    [
        (TAGS, None, OURS, True),
        (TAGS | {"dgbudget-other"}, None, OURS, True),
        (frozenset(["dgbudget-other"]), None, OURS, False),
        (NO_TAGS, None, OURS, False),
        (None, None, OURS, None),
        (None, "mine", OURS, None),
        (None, "mine", KEY, True),
        (NO_TAGS, "mine", KEY, True),
        (TAGS, "theirs", KEY, True),
        (NO_TAGS, "theirs", KEY, False),
        (None, "theirs", KEY, False),
        (None, None, KEY, None),
    ],
)
def test_a_row_is_ours_by_tag_or_by_key_or_nobody_can_tell(
    tags: frozenset[str] | None, key_id: str | None, ours: Ours, has: bool | None
) -> None:
    assert ours.has(row(tags=tags, key_id=key_id)) is has


def test_other_peoples_agents_are_a_remark_with_their_number_and_seconds_and_no_discrepancy() -> None:
    result = judge([session()], snapshot(row(), other("x"), other("y", duration_ms=2500)), OURS, TERMS)
    assert result.remarks == (
        "2 other agent sessions of the project, 7.50s in all, began during this run under other tags or keys: "
        "they are somebody else's",
    )
    assert [line.request_id for line in result.lines] == ["r"]
    assert (result.verdict, result.hours.vendor) == ("reconciled", 10_000)


def test_each_request_counts_once_however_often_it_was_read() -> None:
    (remark,) = remarks(other(settled=False, duration_ms=None), other(), other())
    assert remark.startswith("1 other agent session of the project, 5.00s in all, began during this run")


def test_where_a_row_has_no_duration_its_times_are_counted_and_without_either_the_length_is_unknown() -> None:
    assert "3.00s in all" in remarks(other(duration_ms=None, elapsed_ms=3000))[0]
    assert "of unknown length" in remarks(other(), other("y", duration_ms=None))[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"created_ms": STARTED_MS - 1},
        {"created_ms": NOW_MS + 1},
        {"created_ms": None},
        {"agent": False},
    ],
    ids=["before", "after", "unknown", "no agent"],
)
def test_only_agents_that_began_during_the_run_are_remarked(fields: dict[str, Any]) -> None:
    assert remarks(other(**fields)) == ()
    assert remarks(other(agent=True, created_ms=STARTED_MS)) != ()


def test_our_own_session_without_our_tag_is_nobody_elses() -> None:
    own = [session(tagged=False)]
    assert judge(own, snapshot(row(tags=NO_TAGS, created_ms=NOW_MS - 5000)), OURS, TERMS).remarks == ()


def test_a_run_whose_last_end_nobody_saw_may_go_on() -> None:
    own = [session(), session(id="lost", request_id="lost", ms=None, ended_at_ms=None)]
    assert judge(own, snapshot(row(), other(created_ms=NOW_MS + 1)), OURS, TERMS).remarks != ()


def test_what_shows_no_tags_may_be_anybodys() -> None:
    (remark,) = remarks(other(tags=None))
    assert "whether they are its own can't be told, since the statement does not show their tags" in remark
    assert "somebody else's" in remarks(other(tags=None, key_id="theirs"), ours=KEY)[0]


def test_what_is_under_our_key_and_not_ours_is_missing_in_the_ledger() -> None:
    result = judge([session()], snapshot(row(key_id="mine"), other(key_id="mine")), KEY, TERMS)
    assert [(line.kind, line.request_id) for line in result.lines] == [("matched", "r"), ("missing-in-ledger", "x")]
    assert (result.verdict, result.remarks) == ("discrepancy", ())
