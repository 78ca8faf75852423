"""The calls of the management API that make up a statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pytest_dgbudget.deepgram.parts import StatementPart
from pytest_dgbudget.deepgram.project import ProjectApi
from pytest_dgbudget.deepgram.rows import amount_of, instant, objects_in, page_number, row_of
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.deepgram.transport import Query
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.rules.comparison import VendorRow

# The most that the vendor gives at once (OpenAPI file, requests, limit).
_ROWS_PER_PAGE = 1000
_MOST_PAGES = 2000
_FORGOTTEN = "nothing is stated under the run's key, which was deleted: whether that is all, or forgotten, is not known"
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class _Breakdown:
    """One of the vendor's two: what it is called in messages, where it is, and which figure of it is added up."""

    name: str
    path: str
    query: Query = ()
    field: str
    scope: str


_HOURS = _Breakdown(
    name="the usage breakdown",
    path="usage/breakdown",
    query=[("endpoint", "agent")],
    field="agent_hours",
    scope="usage:read",
)
_DOLLARS = _Breakdown(name="the billing breakdown", path="billing/breakdown", field="dollars", scope="billing:read")


class ManagementApi(ProjectApi):
    """Reads hours and dollars of some parts of a statement, and requests. All calls but ``find_project`` need
    ``project``.

    Each may raise ReconciliationError. ``timeout`` limits its tries and pauses, and each wait for the network; an
    answer that trickles in may take longer.
    """

    def __init__(self, access: ApiAccess, parts: Sequence[StatementPart], timeout: Timeout) -> None:
        super().__init__(access, timeout)
        self._parts = parts
        self._project_answers = False

    def request(self, request_id: str) -> VendorRow | None:
        """Return the row of one request; None where it is not in the statement."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", request_id):
            return None  # No id of the vendor's: it can't be in the statement, and must not become a path.
        try:
            body = self._get(f"request {request_id}", self._path(f"requests/{request_id}"))
        except ReconciliationError as error:
            # Where the project itself is not found, that says nothing about its requests.
            if error.status == _NOT_FOUND and self._project_answers:
                return None
            raise
        # Wrapped in the OpenAPI file, bare in the guide's example.
        wrapped = body.get("request")
        return row_of(wrapped if isinstance(wrapped, dict) else body, request_id)

    def requests(self, start: datetime, end: datetime, timeout: Timeout) -> Iterator[list[VendorRow]]:
        """Yield the Voice Agent's rows of a period, page by page, up to a short page; with a timeout of its own."""
        query = [("endpoint", "agent"), ("start", instant(start)), ("end", instant(end)), ("limit", _ROWS_PER_PAGE)]
        page: int | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            asked = query if page is None else [*query, ("page", page)]
            body = self._get("the requests", self._path("requests"), asked, timeout=timeout)
            entries = objects_in(body, "requests")
            self._project_answers = True
            rows = [self._without_key(row) for entry in entries if (row := row_of(entry)) is not None]
            yield rows
            if len(entries) < (page_number(body.get("limit")) or _ROWS_PER_PAGE):
                return
            found = {row.request_id for row in rows}
            # The number of the first page is not documented: page 1 may be the first one again.
            if found <= seen and page != 1:
                raise ReconciliationError("the list of requests does not end: a page has only rows of earlier pages")
            seen |= found
            page = (page_number(body.get("page")) or 0) + 1 if page is None else page + 1
        raise ReconciliationError(f"the list of requests does not end: {_MOST_PAGES} pages were read")

    def _without_key(self, row: VendorRow) -> VendorRow:
        safe = self._transport.without_key(row.request_id)
        return row if safe == row.request_id else replace(row, request_id=safe)

    def agent_time(self, first: str, last: str) -> int:
        """Return the agent hours of these UTC days (YYYY-MM-DD) in all parts, in milliseconds."""
        return self._sum(_HOURS, 3_600_000, first, last)

    def dollars(self, first: str, last: str) -> int:
        """Return what these UTC days (YYYY-MM-DD) cost in all parts, in millionths of a dollar."""
        return self._sum(_DOLLARS, 1_000_000, first, last)

    def _sum(self, breakdown: _Breakdown, scale: int, first: str, last: str) -> int:
        total = 0.0
        for part in self._parts:
            query = [*breakdown.query, *part.query, ("start", first), ("end", last)]
            body = self._get(breakdown.name, self._path(breakdown.path), query, scope=breakdown.scope)
            total += _amount_of_part(body, breakdown.field, part)
        return round(total * scale)


def _amount_of_part(body: Mapping[str, Any], field: str, part: StatementPart) -> float:
    """Add up the groups that are the part's: the vendor groups by a session's whole set of tags."""
    amounts = [amount_of(group.get(field)) for group in part.groups_in(objects_in(body, "results"))]
    if part.may_be_forgotten and not amounts:
        raise ReconciliationError(_FORGOTTEN)
    if None in amounts:
        raise ReconciliationError(f"the breakdown can't be read: {field} is not an amount")
    return sum(amount for amount in amounts if amount is not None)
