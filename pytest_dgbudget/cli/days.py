"""Days as commands are given them: a date, or a period before now; always the beginning of a UTC day."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.units import parse_period

_FIRST_YEAR = 2000


def past_day(option: str, text: str, now: datetime, why_past: str) -> datetime:
    """Return the beginning of the day (UTC) that ``2026-11-01`` or ``7d`` names; raises SettingsError.

    ``why_past`` is what can't be done with a day that is still to come.
    """
    moment = read_instant(text) or read_instant(f"{text}T00:00:00Z")
    try:
        day = moment or now - timedelta(milliseconds=parse_period(text))
    except SettingsError:
        accepted = "neither a period of at most ten years (7d, 12h) nor a date (2026-11-01)"
        raise SettingsError(f"{option}: {text!r} is {accepted}") from None
    if day.year < _FIRST_YEAR:
        raise SettingsError(f"{option}: {text!r} is before the year {_FIRST_YEAR}")
    if day >= now:
        raise SettingsError(f"{option}: {text!r} is not in the past, so {why_past}")
    return day.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
