"""Faults of the bill: what becomes of a session's record when it is booked. Pure."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace

from pytest_dgbudget.emulator.account.billing import Record, round_usd
from pytest_dgbudget.emulator.faults.kinds import Fault


def amended(record: Record, faults: Iterable[Fault]) -> list[Record]:
    """Return what the bill has in place of this record."""
    records = [record]
    for fault in faults:
        amend = _AMENDMENTS.get(fault.kind)
        if amend is not None:
            records = amend(records, fault)
    return records


def _late(records: list[Record], fault: Fault) -> list[Record]:
    return [replace(record, settles_at=record.settles_at + fault["by"] / 1000) for record in records]


def _missing(_records: list[Record], _fault: Fault) -> list[Record]:
    return []


def _duplicate(records: list[Record], _fault: Fault) -> list[Record]:
    """Each has a second row, a millisecond longer: of two alike, one may have been seen twice while paging."""
    return [*records, *(_lasting(record, record.milliseconds + 1) for record in records)]


def _foreign(records: list[Record], fault: Fault) -> list[Record]:
    """Another session with the same key and tags, which nobody here has opened."""
    others = [replace(record, request_id=str(uuid.uuid4())) for record in records[:1]]
    return records + [_lasting(other, round(fault["seconds"] * 1000)) for other in others]


def _wrong(records: list[Record], fault: Fault) -> list[Record]:
    return [_lasting(record, round(record.milliseconds * fault["factor"])) for record in records]


def _rounded_up(records: list[Record], fault: Fault) -> list[Record]:
    to = max(1, fault["to"])
    return [_lasting(record, math.ceil(record.milliseconds / to) * to) for record in records]


def _lasting(record: Record, milliseconds: int) -> Record:
    """Return a record of this length, at the same price per minute."""
    usd = round_usd(record.usd * milliseconds / record.milliseconds) if record.milliseconds else record.usd
    return replace(record, milliseconds=milliseconds, usd=usd)


_AMENDMENTS: dict[str, Callable[[list[Record], Fault], list[Record]]] = {
    "bill-late": _late,
    "bill-missing": _missing,
    "bill-duplicate": _duplicate,
    "bill-foreign": _foreign,
    "bill-wrong": _wrong,
    "bill-rounded-up": _rounded_up,
}
