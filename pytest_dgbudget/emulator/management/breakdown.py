"""Hours and dollars per UTC day, by group (vendor's pages "Get Project Usage Breakdown", "… Billing Breakdown").

The emulator's choices, where the vendor documents nothing: a day or group without sessions has no entry; agent hours
are part of the total and not of the audio hours; a session's tokens and characters are not counted, the price per
minute includes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pytest_dgbudget.emulator.management.facets import facet, select
from pytest_dgbudget.emulator.management.request import AuthorizedRequest, Period, period
from pytest_dgbudget.emulator.project.billing import UsageRecord, round_usd

_USAGE_GROUPS = ("accessor", "endpoint", "feature_set", "models", "method", "tags", "deployment")
_BILLING_GROUPS = ("accessor", "deployment", "line_item", "tags")

_Figures = Callable[[Sequence[UsageRecord]], dict[str, Any]]


def usage_breakdown(request: AuthorizedRequest) -> dict[str, Any]:
    group = request.query.choice("grouping", _USAGE_GROUPS)
    records = select(request.project.settled(), request.query, "accessor", "deployment", "endpoint", "method", "tag")
    # In the vendor's file, models is the only one that can't be null.
    blank: dict[str, Any] = {**dict.fromkeys(_USAGE_GROUPS), "models": []}
    return _breakdown(records, period(request, records), [group] if group else [], blank, _usage)


def billing_breakdown(request: AuthorizedRequest) -> dict[str, Any]:
    groups = request.query.choices("grouping", _BILLING_GROUPS)
    records = select(request.project.settled(), request.query, "accessor", "deployment", "line_item", "tag")
    return _breakdown(records, period(request, records), groups, dict.fromkeys(_BILLING_GROUPS), _billing)


def _breakdown(
    records: list[UsageRecord], asked: Period, groups: Sequence[str], blank: dict[str, Any], figures: _Figures
) -> dict[str, Any]:
    return {
        "start": asked.start.isoformat(),
        "end": asked.end.isoformat(),
        "resolution": {"units": "day", "amount": 1},
        "results": [
            {**figures(members), "grouping": {**blank, "start": day, "end": day, **dict(group)}}
            for (day, *group), members in _grouped(asked.among(records), groups).items()
        ],
    }


def _grouped(records: list[UsageRecord], groups: Sequence[str]) -> dict[tuple[Any, ...], list[UsageRecord]]:
    """Return the records by UTC day and by their values for these groups, oldest first."""
    grouped: dict[tuple[Any, ...], list[UsageRecord]] = {}
    for record in reversed(records):
        key = (record.day.isoformat(), *((group, facet(record, group)) for group in groups))
        grouped.setdefault(key, []).append(record)
    return grouped


def _usage(records: Sequence[UsageRecord]) -> dict[str, Any]:
    hours = sum(record.milliseconds for record in records) / 3_600_000
    return {
        "hours": 0.0,
        "total_hours": hours,
        "agent_hours": hours,
        "tokens_in": 0,
        "tokens_out": 0,
        "tts_characters": 0,
        "requests": len(records),
    }


def _billing(records: Sequence[UsageRecord]) -> dict[str, Any]:
    return {"dollars": round_usd(sum(record.usd for record in records))}
