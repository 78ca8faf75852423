"""The management API's answers, parsed with care: most of their form is not documented."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.rules.reconciliation import VendorRow

# Amounts are seconds, hours or dollars, and ten years in seconds are more than any of them.
_LARGEST = 315_360_000
# Whatever the vendor's text holds, it is not repeated.
_KINDS = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
_MOST_SHOWN = 20


def objects_in(body: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """Return a list of objects; raises ReconciliationError for anything else."""
    entries = body.get(field)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ReconciliationError(f"the answer can't be read: {field} is not a list of objects")
    return entries


def row_of(entry: Mapping[str, Any], tag: str, asked_for: str | None = None) -> VendorRow | None:
    """Parse one request; None where it has no id, or another one than was asked for.

    Its free-form ``response`` is read as in the vendor's examples: ``null``, or 0 dollars, until it settles.
    """
    request_id = entry.get("request_id")
    if not isinstance(request_id, str) or asked_for not in (None, request_id):
        return None
    response = _object(entry.get("response"))
    details = _object(response.get("details"))
    usd = amount_of(details.get("usd"))
    created = entry.get("created")
    return VendorRow(
        request_id=request_id,
        created=created if isinstance(created, str) else None,
        ms=_duration_ms(entry, response, details),
        unreadable_duration=_unreadable(details.get("duration")),
        micro_usd=None if usd is None else round(usd * 1_000_000),
        tagged=_is_tagged(details.get("tags"), tag),
        settled=bool(response) and usd != 0,
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _duration_ms(entry: Mapping[str, Any], response: Mapping[str, Any], details: Mapping[str, Any]) -> int | None:
    """The duration that the row states; only where it states none, the time from its creation to its completion."""
    if details.get("duration") is not None:
        duration = amount_of(details["duration"])
        return None if duration is None else round(duration * 1000)
    created, completed = _moment(entry.get("created")), _moment(response.get("completed"))
    if created is None or completed is None or completed < created:
        return None
    return round((completed - created).total_seconds() * 1000)


def _unreadable(duration: object) -> str | None:
    """Return what stands where a duration should: a number as it is, and of anything else only its kind."""
    if duration is None or amount_of(duration) is not None:
        return None
    return _KINDS.get(type(duration)) or repr(duration)[:_MOST_SHOWN]


def _is_tagged(tags: object, tag: str) -> bool | None:
    """Tags are a list in one of the vendor's examples and a string in another."""
    if isinstance(tags, list):
        return tag in tags
    return tag in re.split(r"[\s,]+", tags) if isinstance(tags, str) else None


def amount_of(value: object) -> float | None:
    """Return a number that can be an amount, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < _LARGEST and not math.isnan(value) else None


def page_number(value: object) -> int | None:
    """Return a page's number, or the limit of its rows."""
    number = amount_of(value)
    return None if number is None else int(number)


def _moment(value: object) -> datetime | None:
    return read_instant(value) if isinstance(value, str) else None


def instant(moment: datetime) -> str:
    """Return a moment in the form that the API accepts."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
