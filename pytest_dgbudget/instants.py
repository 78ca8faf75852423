"""Instants as every record has them: UTC, ISO 8601 with milliseconds and a ``Z``."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone

_DAY_MS = 24 * 3_600_000


def utc_now() -> str:
    """Return the current instant in that form."""
    return write_instant(datetime.now(timezone.utc))


def utc_ms() -> int:
    """Return the current instant in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def write_instant(moment: datetime) -> str:
    """Return a UTC moment in that form."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant_at(epoch_ms: int) -> str:
    """Return the instant so many milliseconds after 1970 in that form."""
    return write_instant(datetime.fromtimestamp(epoch_ms / 1000, timezone.utc))


def epoch_ms(instant: str) -> int:
    """Return the milliseconds since 1970 of an instant in that form, which Python 3.10 reads but for its ``Z``."""
    return epoch_ms_of(datetime.fromisoformat(instant.replace("Z", "+00:00")))


def epoch_ms_of(moment: datetime) -> int:
    """Return the milliseconds since 1970 of a moment that has an offset."""
    return round(moment.timestamp() * 1000)


def days_between(day: str, instant: str) -> int:
    """Return how many days after a day (ISO date, UTC) an instant in that form is."""
    return (epoch_ms(instant) - epoch_ms(f"{day}T00:00:00.000Z")) // _DAY_MS


def read_instant(text: str) -> datetime | None:
    """Read a date-time, as UTC if it has no offset; None for anything else.

    Python 3.10's own reader accepts neither a ``Z`` nor any number of digits.
    """
    match = re.fullmatch(r"(?a)(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-]\d\d):?(\d\d))?", text)
    if match is None:
        return None
    day, clock, fraction, hours, minutes = match.groups()
    offset = f"{hours}:{minutes}" if hours else "+00:00"
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{offset}")
    except ValueError:
        return None
