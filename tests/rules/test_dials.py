"""Dials that never opened, and sessions whose request id nobody saw: what the statement has of them is no bypass."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.rules.comparison import Ours, OwnSession, VendorRow
from pytest_dgbudget.rules.reconciliation_verdict import judge

from .reconciliation import NO_TAGS, NOW_MS, OLD_MS, OURS, TAGS, TERMS, row, session, snapshot, was_read

KEY = Ours(tags=TAGS, keys=frozenset(["mine"]))


def refused(**fields: Any) -> OwnSession:
    """A dial of half a second, five seconds ago, that the vendor refused."""
    began_ms = NOW_MS - 5000
    known = {"id": "d", "request_id": "d", "ms": 500, "opened_at_ms": began_ms, "ended_at_ms": began_ms + 500}
    return session(**{**known, "tagged": False, "handshake_ms": None, "opened": False, **fields})


def of_dial(**fields: Any) -> VendorRow:
    """What a statement may have of it, under the run's key."""
    known = {"request_id": "d", "key_id": "mine", "tags": NO_TAGS, "created_ms": NOW_MS - 5000, "duration_ms": 0}
    return row(**{**known, "micro_usd": 0, "settled": False, **fields})


@pytest.mark.parametrize(
    "fields", [{}, {"duration_ms": 500, "micro_usd": 625, "settled": True}, {"duration_ms": None}], ids=str
)
def test_a_refused_dial_that_the_statement_has_is_no_bypass(fields: dict[str, Any]) -> None:
    has = of_dial(**fields)
    read = snapshot(
        row(), has, hours=was_read(10_000 + (has.duration_ms or 0)), dollars=was_read(12_500 + (has.micro_usd or 0))
    )
    result = judge([session()], read, KEY, TERMS, [refused()])
    assert [line.request_id for line in result.lines] == ["r"]
    assert (result.verdict, result.reasons) == ("reconciled", ())


def test_a_refused_dial_that_is_billed_for_more_than_it_took_is_a_reason() -> None:
    has = of_dial(duration_ms=600_000, micro_usd=750_000, settled=True)
    read = snapshot(row(), has, hours=was_read(610_000), dollars=was_read(762_500))
    result = judge([session()], read, KEY, TERMS, [refused()])
    assert result.verdict == "inconclusive"
    assert result.reasons == (
        "1 dials that never opened took 0.50s, and the statement has 600.00s of them: ask the vendor what is billed of "
        "a refused dial",
    )


@pytest.mark.parametrize(
    ("created_ms", "kinds"),
    [(NOW_MS - 5000, ["matched", "unconfirmed"]), (NOW_MS - 60_000, ["matched", "missing-in-ledger"])],
    ids=["while it was dialled", "earlier"],
)
def test_what_began_while_a_dial_got_no_id_is_unconfirmed(created_ms: int, kinds: list[str]) -> None:
    has = of_dial(request_id="x", created_ms=created_ms)
    result = judge([session()], snapshot(row(), has), KEY, TERMS, [refused(request_id=None)])
    assert [line.kind for line in result.lines] == kinds
    assert result.verdict == ("inconclusive" if "unconfirmed" in kinds else "discrepancy")


def test_each_dial_without_an_id_explains_one_request() -> None:
    rows = [of_dial(request_id=name) for name in "xyz"]
    dials = [refused(id=name, request_id=None) for name in "de"]
    result = judge([session()], snapshot(row(), *rows), KEY, TERMS, dials)
    assert [line.kind for line in result.lines] == ["matched", "unconfirmed", "unconfirmed", "missing-in-ledger"]


def test_a_session_without_an_id_and_its_row_are_no_bypass() -> None:
    """The gateway was killed while it dialled: nobody saw the id, and the row is there."""
    lost = session(id="l", request_id=None, ms=None, ended_at_ms=None, opened_at_ms=NOW_MS - 900_000)
    has = row(request_id="x", created_ms=NOW_MS - 899_900)
    result = judge([session(ended_at_ms=OLD_MS), lost], snapshot(row(), has), OURS, TERMS)
    assert [line.kind for line in result.lines] == ["matched", "unconfirmed", "unconfirmed"]
    assert (result.verdict, result.stated_ms) == ("inconclusive", {})
    assert any("without learning the request id" in reason for reason in result.reasons)


def test_a_session_without_an_id_and_its_row_are_in_the_hours_once() -> None:
    own = session(request_id=None)
    result = judge([own], snapshot(row(request_id="x", created_ms=NOW_MS - 9900)), OURS, TERMS)
    assert [line.kind for line in result.lines] == ["unconfirmed", "unconfirmed"]
    assert result.verdict == "inconclusive"
