"""Which runs may be taken out of a ledger."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.rules.vacuum import LedgerState, OldRun, is_old, why_kept

EARLY, AT, LATE = "2026-11-01T10:00:00.000Z", "2026-11-02T10:00:00.000Z", "2026-11-03T10:00:00.000Z"


def run(**fields: Any) -> OldRun:
    known: dict[str, Any] = {"ended_at": AT, "heard_of_at": AT, "leases": 2, "open_leases": 0, "last_lease": 7}
    return OldRun(**{"id": "r", "target": "live", **known, **fields})


def state(**fields: Any) -> LedgerState:
    return LedgerState(**{"pending": frozenset(), "last_lease": 9, "open_days": frozenset(), **fields})


@pytest.mark.parametrize(
    ("fields", "old"),
    [
        ({}, True),
        ({"ended_at": LATE}, False),
        ({"ended_at": None}, True),
        ({"ended_at": None, "heard_of_at": LATE}, False),
    ],
)
def test_a_run_is_old_by_its_end_or_where_it_has_none_by_when_it_was_heard_of(
    fields: dict[str, Any], old: bool
) -> None:
    assert is_old(run(**fields), LATE) is old
    assert not is_old(run(**fields), AT)


PENDING = state(pending=frozenset({"r"}))
TODAY, OPEN_DAY = frozenset({"2026-11-02"}), state(open_days=frozenset({"2026-11-02"}))


@pytest.mark.parametrize(
    ("fields", "ledger", "why"),
    [
        ({}, state(), None),
        ({"open_leases": 1}, state(), "open-lease"),
        ({"ended_at": None}, state(), "unfinished"),
        ({"ended_at": None, "heard_of_at": EARLY}, state(), None),
        ({}, PENDING, "pending"),
        ({"target": "rehearsal"}, PENDING, "pending"),
        ({"target": "emulator"}, PENDING, None),
        ({"id": "other"}, PENDING, None),
        ({"last_lease": 9}, state(), "last-lease"),
        ({"last_lease": None, "leases": 0}, state(last_lease=0), None),
        ({"days": TODAY}, OPEN_DAY, "open-day"),
        ({"days": frozenset({"2026-11-01"})}, OPEN_DAY, None),
    ],
)
def test_what_may_still_change_stays(fields: dict[str, Any], ledger: LedgerState, why: str | None) -> None:
    assert why_kept(run(**fields), ledger, silent_since=AT) == why
