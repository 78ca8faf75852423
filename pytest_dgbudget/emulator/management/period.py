"""The days that a breakdown or a list of fields is about, both ends included, in UTC.

The emulator's choice, where the vendor documents nothing: without ``start`` it begins with the first session, without
``end`` it ends today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pytest_dgbudget.emulator.account.billing import Record
from pytest_dgbudget.emulator.management.call import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    start: date
    end: date

    def among(self, records: Sequence[Record]) -> list[Record]:
        return [record for record in records if self.start <= record.day <= self.end]


def period(call: Call, records: Sequence[Record]) -> Period:
    today = call.account.clock.now().date()
    first = min((record.day for record in records), default=today)
    return Period(start=call.query.day("start") or first, end=call.query.day("end") or today)
