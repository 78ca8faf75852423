"""The argument of every operation of the management API, and the days that it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.emulator.project.billing import Project, UsageRecord
from pytest_dgbudget.emulator.project.credentials import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Choices where the vendor's file and its guide differ.

    ``page_base`` is the number of the first page, ``wrapped`` whether a single request is inside ``{"request": …}``,
    ``bare_agents`` whether the list of agents is an array and not inside ``{"agents": …}``.
    """

    page_base: int
    wrapped: bool
    bare_agents: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedRequest:
    """A request with a valid key; ``ids`` are those after the project's, as UUIDs are written."""

    project: Project
    style: Style
    key: Key
    query: Query
    body: bytes
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """UTC days, both ends included.

    The emulator's choice, where the vendor documents nothing: without ``start`` it begins with the first session,
    without ``end`` it ends today.
    """

    start: date
    end: date

    def among(self, records: Sequence[UsageRecord]) -> list[UsageRecord]:
        return [record for record in records if self.start <= record.day <= self.end]


def period(request: AuthorizedRequest, records: Sequence[UsageRecord]) -> Period:
    today = request.project.clock.now().date()
    first = min((record.day for record in records), default=today)
    return Period(start=request.query.day("start") or first, end=request.query.day("end") or today)
