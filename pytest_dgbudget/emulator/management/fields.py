"""Values to filter and group by (vendor's pages "List Project Usage Fields", "… Billing Fields").

As in the breakdowns, days are UTC, only settled sessions count, and a session has neither models nor features.
"""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.emulator.management.facets import DEPLOYMENT, METHOD, line_item
from pytest_dgbudget.emulator.management.request import AuthorizedRequest, period
from pytest_dgbudget.emulator.project.billing import UsageRecord


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
