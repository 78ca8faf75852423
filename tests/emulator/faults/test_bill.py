"""What faults of the bill make of a session's record."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_dgbudget.emulator.faults.bill import amended
from pytest_dgbudget.emulator.faults.kinds import read_fault
from pytest_dgbudget.emulator.project.billing import UsageRecord


def billed(milliseconds: int, *faults: tuple[str, dict[str, Any]]) -> list[tuple[int, float]]:
    """Milliseconds and dollars of each row that such a session has, at $0.163 a minute."""
    record = UsageRecord(
        request_id="ours",
        accessor="key",
        created=datetime.now(timezone.utc),
        milliseconds=milliseconds,
        tags=("tag",),
        tier="advanced",
        price=0.163,
        settles_at=0,
    )
    rows = amended(record, [read_fault(kind, parameters) for kind, parameters in faults])
    return [(row.milliseconds, row.usd) for row in rows]


@pytest.mark.parametrize("milliseconds", [1, 7, 50, 59_999, 60_000])
def test_what_is_rounded_up_costs_what_its_length_costs(milliseconds: int) -> None:
    assert billed(milliseconds, ("bill-rounded-up", {})) == [(60_000, 0.163)]


def test_nothing_rounded_up_is_nothing() -> None:
    assert billed(0, ("bill-rounded-up", {})) == [(0, 0)]


@pytest.mark.parametrize("milliseconds", [0, 1, 60_000])
def test_a_session_that_was_never_opened_costs_what_its_length_costs(milliseconds: int) -> None:
    assert billed(milliseconds, ("bill-foreign", {"seconds": 60}))[1:] == [(60_000, 0.163)]


Given = tuple[str, dict[str, Any]]
MISSING: Given = ("bill-missing", {})
FOREIGN: Given = ("bill-foreign", {"seconds": 60})
WRONG: Given = ("bill-wrong", {"factor": 0})


@pytest.mark.parametrize("faults", [(MISSING, FOREIGN), (FOREIGN, MISSING)])
def test_a_session_that_was_never_opened_appears_although_the_real_one_is_missing(faults: Any) -> None:
    assert billed(1000, *faults) == [(60_000, 0.163)]


def test_faults_of_ones_own_session_are_none_of_another_session() -> None:
    assert billed(1000, FOREIGN, WRONG) == [(0, 0), (60_000, 0.163)]
