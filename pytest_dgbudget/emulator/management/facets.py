"""A session's properties in the vendor's terms, by which queries filter and breakdowns group, and the values they have.

The values: the vendor's pages "List Project Usage Fields" and "… Billing Fields". As in the breakdowns, days are UTC,
only settled sessions count, and a session has neither models nor features.

The vendor's values are those of its OpenAPI file of 2026-07-22. It shows no agent session; their values are the
emulator's choice. A session that got a 101 succeeded, even if an Error ended it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_dgbudget.emulator.management.query import Query
from pytest_dgbudget.emulator.management.request import AuthorizedRequest, period
from pytest_dgbudget.emulator.project.billing import UsageRecord

DEPLOYMENT = "hosted"
METHOD = "streaming"

_KNOWN = {
    "deployment": ("hosted", "beta", "self-hosted"),
    "endpoint": ("listen", "read", "speak", "agent"),
    "method": ("sync", "async", "streaming"),
    "status": ("succeeded", "failed"),
}
_ALIKE = {
    "deployment": DEPLOYMENT,
    "endpoint": "agent",
    "feature_set": None,
    "method": METHOD,
    "models": (),
    "status": "succeeded",
}


def facet(record: UsageRecord, name: str) -> Any:
    """Return one of a session's properties; its tags are a set, in alphabetical order."""
    if name in _ALIKE:
        return _ALIKE[name]
    if name == "tags":
        return tuple(sorted(set(record.tags)))
    if name == "line_item":
        return line_item(record.tier)
    return getattr(record, name)  # accessor, request_id


def line_item(tier: str) -> str:
    """Return a name unlike the vendor's, which documents none for agents, so that no one relies on it."""
    return f"emulated::agent-{tier}"


def select(records: Iterable[UsageRecord], query: Query, *names: str) -> list[UsageRecord]:
    """Return the records that match these parameters of the query."""
    wanted = {name: _wanted(query, name) for name in names}
    asked = {name: value for name, value in wanted.items() if value is not None}
    return [record for record in records if all(_fits(record, *each) for each in asked.items())]


def _wanted(query: Query, name: str) -> str | None:
    return query.choice(name, _KNOWN[name]) if name in _KNOWN else query.text(name)


def _fits(record: UsageRecord, name: str, value: str) -> bool:
    return value in record.tags if name == "tag" else bool(facet(record, name) == value)


def usage_fields(request: AuthorizedRequest) -> dict[str, Any]:
    records = _records(request)
    return {
        "tags": _tags(records),
        "models": [],
        "processing_methods": [METHOD] if records else [],
        "features": [],
    }


def billing_fields(request: AuthorizedRequest) -> dict[str, Any]:
    records = _records(request)
    return {
        "accessors": sorted({record.accessor for record in records}),
        "deployments": [DEPLOYMENT] if records else [],
        "tags": _tags(records),
        "line_items": {line_item(tier): _described(tier) for tier in sorted({record.tier for record in records})},
    }


def _records(request: AuthorizedRequest) -> list[UsageRecord]:
    settled = request.project.settled()
    return period(request, settled).among(settled)


def _tags(records: list[UsageRecord]) -> list[str]:
    return sorted({tag for record in records for tag in record.tags})


def _described(tier: str) -> str:
    return f"Voice Agent, {tier.replace('-', ' ')}, emulated"
