"""How far this machine's clock is from the vendor's, by the Date of one answer. The key is not sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pytest_dgbudget.deepgram.project import PROJECTS
from pytest_dgbudget.deepgram.transport import header_of_answer
from pytest_dgbudget.errors import ReconciliationError

_SECONDS = 4
# The header has whole seconds: on average, half of one has passed.
_HALF_SECOND_MS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """Ours less theirs, in milliseconds, and by how much that may be wrong."""

    ms: int
    uncertainty_ms: int


def clock_offset(api_url: str) -> ClockOffset:
    """Ask once, without a key; raises ReconciliationError where no answer has a date."""
    asked_at, begun = time.time(), time.monotonic()
    date = header_of_answer(f"{api_url.rstrip('/')}{PROJECTS}", "Date", _SECONDS)
    took_ms = round((time.monotonic() - begun) * 1000)
    ours_ms = round(asked_at * 1000) + took_ms // 2
    theirs_ms = round(_moment(date) * 1000) + _HALF_SECOND_MS
    return ClockOffset(ms=ours_ms - theirs_ms, uncertainty_ms=_HALF_SECOND_MS + took_ms // 2)


def _moment(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        raise ReconciliationError("the answer has no date") from None
