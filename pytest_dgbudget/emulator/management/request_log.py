"""The request log: rows, filters, pages (vendor's pages "List Project Requests" and "Get a Project Request").

A row's form is that of the vendor's examples, which show other products than the agent.
"""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.emulator.account.billing import Account, Record
from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.call import Call
from pytest_dgbudget.emulator.management.facets import DEPLOYMENT, METHOD, select
from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.model import write_instant

_FILTERS = ("accessor", "request_id", "deployment", "endpoint", "method", "status")
_LAST_PAGE = 10**9 - 1  # what the query reads


def list_requests(call: Call) -> dict[str, Any]:
    """Return one page, the newest session first.

    The vendor does not document with which number pages begin: one below ``page_base`` is the first page.
    """
    base = call.style.page_base
    limit = call.query.whole("limit", default=10, low=1, high=1000)
    page = max(call.query.whole("page", default=base, low=0, high=_LAST_PAGE), base)
    records = _in_time(select(call.account.records(), call.query, *_FILTERS), call.query)
    first = (page - base) * limit
    rows = [_row(call.account, record) for record in records[first : first + limit]]
    return {"page": page, "limit": limit, "requests": rows}


def get_request(call: Call) -> dict[str, Any]:
    for record in call.account.records():
        if call.ids == (record.request_id,):
            row = _row(call.account, record)
            return {"request": row} if call.style.wrapped else row
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
