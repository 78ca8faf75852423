"""A run that was dialled with keys of its own, beside other traffic of the same project: compared exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_dgbudget.ledger.facts import SessionFacts
from tests.support.comparison import Comparison, billed, kinds, own
from tests.support.statement import Bill, Entry

KEY_ID = "8a4b1c2d-run-key"


def dialled(request_id: str, seconds: float = 10, key_id: str | None = KEY_ID, **fields: Any) -> SessionFacts:
    return own(request_id, seconds, run_key=key_id, **fields)


def stated(request_id: str, seconds: float = 10, key_id: str = KEY_ID, **fields: Any) -> Entry:
    return billed(request_id, seconds, key_id=key_id, **fields)


def test_hours_and_dollars_are_asked_for_by_key_and_not_by_tag(bill: Bill) -> None:
    bill.entries = lambda: [stated("a"), stated("b", 3)]
    result = Comparison(bill).of(dialled("a"), dialled("b", 3))
    assert (result.verdict, result.reasons) == ("reconciled", ())
    assert (result.hours.own, result.hours.vendor) == (13_000, 13_000)
    assert (result.dollars.own, result.dollars.vendor) == (16_250, 16_250)
    for call in ("usage", "billing"):
        assert {(asked.value("accessor"), asked.value("tag")) for asked in bill.calls(call)} == {(KEY_ID, "")}


def test_a_shared_project_is_told_apart_exactly_although_no_row_shows_tags(bill: Bill) -> None:
    """By tags alone, nothing could be said of it."""
    colleagues = [stated(f"their-{number}", 500, "another-key", tags=()) for number in range(20)]
    bill.entries = lambda: [*colleagues, stated("a", tags=())]
    bill.shows_tags = bill.shows_tags_in_rows = False
    result = Comparison(bill).of(dialled("a"))
    assert (kinds(result), result.verdict) == (["matched"], "reconciled")
    assert (result.hours.vendor, result.dollars.vendor) == (10_000, 12_500)


def test_somebody_else_with_the_same_tag_is_not_in_the_hours_of_the_key(bill: Bill) -> None:
    bill.entries = lambda: [stated("a"), stated("theirs", 300, "another-key")]
    result = Comparison(bill, timeout=1).of(dialled("a"))
    assert result.hours.vendor == 10_000


def test_several_keys_are_added_up(bill: Bill) -> None:
    bill.entries = lambda: [stated("a"), stated("b", 5, "second-key")]
    result = Comparison(bill).of(dialled("a"), dialled("b", 5, "second-key"))
    assert (result.verdict, result.hours.vendor) == ("reconciled", 15_000)


def test_one_session_with_the_given_key_and_all_are_asked_for_by_tag(bill: Bill) -> None:
    bill.entries = lambda: [stated("a"), billed("b", 5)]
    result = Comparison(bill).of(dialled("a"), own("b", 5))
    assert (result.verdict, result.hours.vendor) == ("reconciled", 15_000)
    assert {asked.value("accessor") for asked in bill.calls("usage")} == {""}


def test_a_session_under_the_key_that_the_run_did_not_open_is_a_discrepancy(bill: Bill) -> None:
    """Without a tag, too: whoever has the key need not know of it."""
    bill.entries = lambda: [stated("a"), stated("bypass", 60, tags=())]
    result = Comparison(bill, timeout=1).of(dialled("a"))
    assert (kinds(result), result.verdict) == (["matched", "missing-in-ledger"], "discrepancy")
    assert result.hours.verdict == "discrepancy"


@pytest.mark.parametrize("of_which", ["hours", "dollars"])
def test_nothing_under_a_deleted_key_is_inconclusive_and_not_missing(bill: Bill, of_which: str) -> None:
    key_id = f"deleted-{KEY_ID}"
    bill.entries = lambda: [stated("a", key_id=key_id)]
    agreeing = Comparison(bill).of(dialled("a", key_id=key_id, ago=3600))
    assert agreeing.verdict == "reconciled"
    forget(bill, "usage" if of_which == "hours" else "billing")
    result = Comparison(bill, timeout=1).of(dialled("a", key_id=key_id, ago=3600))
    assert (kinds(result), result.verdict) == (["matched"], "inconclusive")
    assert "which was deleted" in (getattr(result, of_which).reason or "")


def test_nothing_under_a_key_that_is_there_is_missing(bill: Bill) -> None:
    bill.entries = lambda: [stated("a")]
    forget(bill, "usage")
    result = Comparison(bill, timeout=1).of(dialled("a", ago=3600))
    assert (result.verdict, result.hours.verdict) == ("discrepancy", "discrepancy")


def test_a_breakdown_that_shows_no_keys_is_inconclusive(bill: Bill) -> None:
    bill.entries = lambda: [stated("a")]
    bill.shows_keys = False
    result = Comparison(bill, timeout=1).of(dialled("a"))
    assert result.verdict == "inconclusive"
    assert "shows no keys" in (result.hours.reason or "")


def forget(bill: Bill, call: str) -> None:
    """Let one breakdown be empty."""
    answer: Callable[..., Any] = getattr(bill, f"_{call}")
    entries = bill.entries

    def empty(asked: Any) -> Any:
        bill.entries = tuple
        try:
            return answer(asked)
        finally:
            bill.entries = entries

    bill.overrides[call] = empty
