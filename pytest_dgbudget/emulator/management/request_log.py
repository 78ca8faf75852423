"""The request log: rows, filters, pages (vendor's pages "List Project Requests" and "Get a Project Request").

A row's form is that of the vendor's examples, which show other products than the agent.
"""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.emulator.account.billing import Account, Record
from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.facets import DEPLOYMENT, METHOD, select
from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.model import write_instant

_FILTERS = ("accessor", "request_id", "deployment", "endpoint", "method", "status")
_LAST_PAGE = 10**9 - 1  # what the query reads


def list_requests(account: Account, query: Query, *, page_base: int) -> dict[str, Any]:
    """Return one page, the newest session first.

    The vendor does not document with which number pages begin: one below ``page_base`` is the first page.
    """
    limit = query.whole("limit", default=10, low=1, high=1000)
    page = max(query.whole("page", default=page_base, low=0, high=_LAST_PAGE), page_base)
    records = _in_time(select(account.records(), query, *_FILTERS), query)
    first = (page - page_base) * limit
    rows = [_row(account, record) for record in records[first : first + limit]]
    return {"page": page, "limit": limit, "requests": rows}


def one_request(account: Account, request_id: str) -> dict[str, Any]:
    for record in account.records():
        if record.request_id == request_id:
            return _row(account, record)
    raise Refusal(404, "REQUEST_NOT_FOUND", "Request not found.")  # the emulator's choice, after PROJECT_NOT_FOUND


def _in_time(records: list[Record], query: Query) -> list[Record]:
    start, end = query.start(), query.end()
    return [
        record
        for record in records
        if (start is None or start <= record.created) and (end is None or record.created <= end)
    ]


def _row(account: Account, record: Record) -> dict[str, Any]:
    return {
        "request_id": record.request_id,
        "project_uuid": account.project_id,
        "created": write_instant(record.created),
        "path": "/v1/agent/converse",
        "api_key_id": record.accessor,
        "response": _response(record) if account.is_settled(record) else None,
        "callback": None,
    }


def _response(record: Record) -> dict[str, Any]:
    return {
        "details": {
            "usd": record.usd,
            "duration": record.milliseconds / 1000,
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
