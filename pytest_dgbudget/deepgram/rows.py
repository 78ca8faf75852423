"""The management API's answers, parsed with care: most of their form is not documented."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.instants import epoch_ms_of, read_instant
from pytest_dgbudget.rules.comparison import NO_ID, TAG_PREFIX, VendorRow

# Amounts are seconds, hours or dollars, and ten years in seconds are more than any of them.
_LARGEST = 315_360_000
# The year 2100.
_LATEST_MS = 4_102_444_800_000
# Whatever the vendor's text holds, it is not repeated.
_KINDS = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
_MOST_SHOWN = 20
_LONGEST_ORIGIN = 200
# In the path of each of the Voice Agent's requests.
_AGENT = "/agent/"


def objects_in(body: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """Return a list of objects; raises ReconciliationError for anything else."""
    entries = body.get(field)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ReconciliationError(f"the answer can't be read: {field} is not a list of objects")
    return entries


def row_of(entry: Mapping[str, Any], asked_for: str | None = None) -> VendorRow | None:
    """Parse one request; None where it has another id than was asked for. An id that can't be read is ``NO_ID``.

    Its free-form ``response`` is read as in the vendor's examples: ``null``, or 0 dollars, until it settles.
    """
    request_id = entry.get("request_id")
    if not isinstance(request_id, str) or not request_id:
        request_id = NO_ID
    if asked_for not in (None, request_id):
        return None
    response = _object(entry.get("response"))
    details = _object(response.get("details"))
    usd = amount_of(details.get("usd"))
    duration = amount_of(details.get("duration"))
    created = entry.get("created")
    created_ms, completed_ms = _instant_ms(created), _instant_ms(response.get("completed"))
    return VendorRow(
        request_id=request_id,
        created=created if isinstance(created, str) else None,
        created_ms=created_ms,
        duration_ms=None if duration is None else round(duration * 1000),
        elapsed_ms=_elapsed_ms(created_ms, completed_ms),
        unreadable_duration=_unreadable(details.get("duration")),
        micro_usd=None if usd is None else round(usd * 1_000_000),
        key_id=_text(entry.get("api_key_id")),
        tags=_our_tags(details.get("tags")),
        agent=_is_agents(entry.get("path")),
        origin=_origin(entry.get("path"), details.get("method"), response.get("deployment", entry.get("deployment"))),
        settled=bool(response) and usd != 0,
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _elapsed_ms(created_ms: int | None, completed_ms: int | None) -> int | None:
    if created_ms is None or completed_ms is None or completed_ms < created_ms:
        return None
    return completed_ms - created_ms


def _text(value: object) -> str | None:
    """Return a text that many rows have, once for them all."""
    return sys.intern(value) if isinstance(value, str) else None


def _is_agents(path: object) -> bool | None:
    return _AGENT in path if isinstance(path, str) else None


def _origin(*parts: object) -> str | None:
    texts = tuple(part for part in parts if isinstance(part, str) and part)
    return _one_origin(texts) if texts else None


@lru_cache(maxsize=1000)
def _one_origin(parts: tuple[str, ...]) -> str:
    """Return it once for all rows that have it; the vendor's own text, fit for a terminal."""
    return "".join(each if each.isprintable() else "?" for each in ", ".join(parts))[:_LONGEST_ORIGIN]


def _unreadable(duration: object) -> str | None:
    """Return what stands where a duration should: a number as it is, and of anything else only its kind."""
    if duration is None or amount_of(duration) is not None:
        return None
    return _KINDS.get(type(duration)) or repr(duration)[:_MOST_SHOWN]


def _our_tags(tags: object) -> frozenset[str] | None:
    """Tags are a list in one of the vendor's examples and a string in another."""
    if isinstance(tags, str):
        tags = re.split(r"[\s,]+", tags)
    if not isinstance(tags, list):
        return None
    return _one_set(tuple(tag for tag in tags if isinstance(tag, str) and tag.startswith(TAG_PREFIX)))


@lru_cache(maxsize=1000)
def _one_set(tags: tuple[str, ...]) -> frozenset[str]:
    """Return the set of these tags, once for all rows that have it."""
    return frozenset(tags)


def amount_of(value: object) -> float | None:
    """Return a number that can be an amount, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < _LARGEST and not math.isnan(value) else None


def page_number(value: object) -> int | None:
    """Return a page's number, or the limit of its rows."""
    number = amount_of(value)
    return None if number is None else int(number)


def _instant_ms(value: object) -> int | None:
    """Return an instant in milliseconds since 1970; None for what is none, or none of the vendor's time."""
    moment = read_instant(value) if isinstance(value, str) else None
    ms = 0 if moment is None else epoch_ms_of(moment)
    return ms if 0 < ms < _LATEST_MS else None


def instant(moment: datetime) -> str:
    """Return a moment in the form that the API accepts."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
