"""Faults of the bill: how a session's usage record is altered when it is booked. Pure."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_dgbudget.emulator.faults.kinds import Fault
from pytest_dgbudget.emulator.project.billing import UsageRecord


def amended(record: UsageRecord, faults: Sequence[Fault]) -> list[UsageRecord]:
    """Return the records that replace this one in the bill, including sessions that were never opened."""
    records = [record]
    for fault in faults:
        amend = _AMENDMENTS.get(fault.kind)
        if amend is not None:
            records = amend(records, fault)
    return records + [_foreign(record, fault) for fault in faults if fault.kind == "bill-foreign"]


def _foreign(record: UsageRecord, fault: Fault) -> UsageRecord:
    """Another session with the same key, tags and price."""
    return replace(record, request_id=str(uuid.uuid4()), milliseconds=round(fault["seconds"] * 1000))


def _late(records: list[UsageRecord], fault: Fault) -> list[UsageRecord]:
    return [replace(record, settles_at=record.settles_at + fault["by"] / 1000) for record in records]


def _missing(_records: list[UsageRecord], _fault: Fault) -> list[UsageRecord]:
    return []


def _duplicate(records: list[UsageRecord], _fault: Fault) -> list[UsageRecord]:
    """Add a second row for each, a millisecond longer: two equal rows could be one that was read twice while paging."""
    return [*records, *(replace(record, milliseconds=record.milliseconds + 1) for record in records)]


def _wrong(records: list[UsageRecord], fault: Fault) -> list[UsageRecord]:
    return [replace(record, milliseconds=round(record.milliseconds * fault["factor"])) for record in records]


def _rounded_up(records: list[UsageRecord], fault: Fault) -> list[UsageRecord]:
    to = max(1, fault["to"])
    return [replace(record, milliseconds=math.ceil(record.milliseconds / to) * to) for record in records]


_AMENDMENTS: dict[str, Callable[[list[UsageRecord], Fault], list[UsageRecord]]] = {
    "bill-late": _late,
    "bill-missing": _missing,
    "bill-duplicate": _duplicate,
    "bill-wrong": _wrong,
    "bill-rounded-up": _rounded_up,
}
