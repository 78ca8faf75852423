"""Faults of the bill: what becomes of a session's record when it is booked. Pure."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_dgbudget.emulator.account.billing import Record
from pytest_dgbudget.emulator.faults.kinds import Fault


def amended(record: Record, faults: Sequence[Fault]) -> list[Record]:
    """Return what the bill has in place of this record, and the sessions that nobody has opened."""
    records = [record]
    for fault in faults:
        amend = _AMENDMENTS.get(fault.kind)
        if amend is not None:
            records = amend(records, fault)
    return records + [_foreign(record, fault) for fault in faults if fault.kind == "bill-foreign"]


def _foreign(record: Record, fault: Fault) -> Record:
    """Another session with the same key, tags and price."""
    return replace(record, request_id=str(uuid.uuid4()), milliseconds=round(fault["seconds"] * 1000))


def _late(records: list[Record], fault: Fault) -> list[Record]:
    return [replace(record, settles_at=record.settles_at + fault["by"] / 1000) for record in records]


def _missing(_records: list[Record], _fault: Fault) -> list[Record]:
    return []


def _duplicate(records: list[Record], _fault: Fault) -> list[Record]:
    """Each has a second row, a millisecond longer: of two alike, one may have been seen twice while paging."""
    return [*records, *(replace(record, milliseconds=record.milliseconds + 1) for record in records)]


def _wrong(records: list[Record], fault: Fault) -> list[Record]:
    return [replace(record, milliseconds=round(record.milliseconds * fault["factor"])) for record in records]


def _rounded_up(records: list[Record], fault: Fault) -> list[Record]:
    to = max(1, fault["to"])
    return [replace(record, milliseconds=math.ceil(record.milliseconds / to) * to) for record in records]


_AMENDMENTS: dict[str, Callable[[list[Record], Fault], list[Record]]] = {
    "bill-late": _late,
    "bill-missing": _missing,
    "bill-duplicate": _duplicate,
    "bill-wrong": _wrong,
    "bill-rounded-up": _rounded_up,
}
