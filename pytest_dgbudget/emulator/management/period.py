"""The UTC days that a breakdown or a list of fields covers, both ends included.

The emulator's choice, where the vendor documents nothing: without ``start`` it begins with the first session, without
``end`` it ends today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pytest_dgbudget.emulator.management.request import AuthorizedRequest
from pytest_dgbudget.emulator.project.billing import UsageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    start: date
    end: date

    def among(self, records: Sequence[UsageRecord]) -> list[UsageRecord]:
        return [record for record in records if self.start <= record.day <= self.end]


def period(request: AuthorizedRequest, records: Sequence[UsageRecord]) -> Period:
    today = request.project.clock.now().date()
    first = min((record.day for record in records), default=today)
    return Period(start=request.query.day("start") or first, end=request.query.day("end") or today)
