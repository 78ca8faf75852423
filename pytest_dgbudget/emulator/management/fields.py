"""What there is to filter and group by (vendor's pages "List Project Usage Fields", "… Billing Fields").

As in the breakdowns, days are those of UTC, only what is settled counts, and a session has neither models nor features.
"""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.emulator.account.billing import Record
from pytest_dgbudget.emulator.management.call import Call
from pytest_dgbudget.emulator.management.facets import DEPLOYMENT, METHOD, line_item
from pytest_dgbudget.emulator.management.period import period


def usage_fields(call: Call) -> dict[str, Any]:
    records = _records(call)
    return {
        "tags": _tags(records),
        "models": [],
        "processing_methods": [METHOD] if records else [],
        "features": [],
    }


def billing_fields(call: Call) -> dict[str, Any]:
    records = _records(call)
    return {
        "accessors": sorted({record.accessor for record in records}),
        "deployments": [DEPLOYMENT] if records else [],
        "tags": _tags(records),
        "line_items": {line_item(tier): _described(tier) for tier in sorted({record.tier for record in records})},
    }


def _records(call: Call) -> list[Record]:
    settled = call.account.settled()
    return period(call, settled).among(settled)


def _tags(records: list[Record]) -> list[str]:
    return sorted({tag for record in records for tag in record.tags})


def _described(tier: str) -> str:
    return f"Voice Agent, {tier.replace('-', ' ')}, emulated"
