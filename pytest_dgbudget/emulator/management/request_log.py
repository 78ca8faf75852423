"""The request log: rows, filters, pages (vendor's pages "List Project Requests" and "Get a Project Request").

A row's form is that of the vendor's examples, which show products other than the agent.
"""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.facets import DEPLOYMENT, METHOD, select
from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.emulator.management.request import AuthorizedRequest
from pytest_dgbudget.emulator.project.billing import Project, UsageRecord
from pytest_dgbudget.instants import write_instant

_FILTERS = ("accessor", "request_id", "deployment", "endpoint", "method", "status")
_LAST_PAGE = 10**9 - 1  # the query reads nine digits


def list_requests(request: AuthorizedRequest) -> dict[str, Any]:
    """Return one page, the newest session first.

    The vendor does not document the number of the first page: a number below ``page_base`` is the first page.
    """
    base = request.style.page_base
    limit = request.query.whole("limit", default=10, low=1, high=1000)
    page = max(request.query.whole("page", default=base, low=0, high=_LAST_PAGE), base)
    records = _in_time(select(request.project.records(), request.query, *_FILTERS), request.query)
    first = (page - base) * limit
    rows = [_row(request.project, record) for record in records[first : first + limit]]
    return {"page": page, "limit": limit, "requests": rows}


def get_request(request: AuthorizedRequest) -> dict[str, Any]:
    for record in request.project.records():
        if request.ids == (record.request_id,):
            row = _row(request.project, record)
            return {"request": row} if request.style.wrapped else row
    raise Refusal(404, "REQUEST_NOT_FOUND", "Request not found.")  # the emulator's choice, after PROJECT_NOT_FOUND


def _in_time(records: list[UsageRecord], query: Query) -> list[UsageRecord]:
    start, end = query.start(), query.end()
    return [
        record
        for record in records
        if (start is None or start <= record.created) and (end is None or record.created <= end)
    ]


def _row(project: Project, record: UsageRecord) -> dict[str, Any]:
    return {
        "request_id": record.request_id,
        "project_uuid": project.id,
        "created": write_instant(record.created),
        "path": "/v1/agent/converse",
        "api_key_id": record.accessor,
        "response": _response(record) if project.is_settled(record) else None,
        "callback": None,
    }


def _response(record: UsageRecord) -> dict[str, Any]:
    """Agents' rows have no duration, as the vendor's Rust SDK of autumn 2026 notes; a switch adds one."""
    seconds = record.milliseconds / 1000
    duration = {"duration": round(seconds) if record.whole_seconds else seconds} if record.duration_shown else {}
    return {
        "details": {
            "usd": record.usd,
            **duration,
            "method": METHOD,
            "tags": list(record.tags),
            "models": [],
            "features": [],
            "config": {},
        },
        "token_details": [],
        "code": 200,
        "completed": write_instant(record.completed),
        "deployment": DEPLOYMENT,
    }
